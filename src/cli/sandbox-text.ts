import { MAIN } from "../base/package-path.ts";
import type { Notifications } from "../protocol.ts";
import { invocation, quote } from "../sandbox/invocation.ts";
import type { Playground } from "../sandbox/playground.ts";
import type { StepResult } from "../sandbox/tour.ts";
import { stateCell } from "./credentials.ts";
import { type Paint, plain } from "./style.ts";
import { table } from "./table.ts";
import { duration, fromNow, moment } from "./times.ts";

const TITLE_COLUMNS = 46;
const NAME_COLUMNS = 10;

/** Builds the output of `sandbox --json`, for programs that test against it. */
export function description(playground: Playground) {
  const { socket, configDir, stateDir, pid, apis } = playground;
  return {
    socket,
    configDir,
    stateDir,
    pid,
    credentials: Object.keys(apis),
    apis: Object.values(apis).map(({ name, url, example }) => ({ name, url, example })),
  };
}

/** Describes what runs, and what to type in another terminal. `lifetimes` are seconds. */
export function welcome(
  playground: Playground,
  lifetimes: Record<string, number>,
  paint: Paint,
): string[] {
  const { apis, socket, configDir, stateDir } = playground;
  const authd = invocation(MAIN);
  const rows = Object.values(apis).map(({ name, url }) => [
    paint("bold", name),
    `tokens live ${duration((lifetimes[name] ?? 0) * 1000)}`,
    paint("dim", url),
  ]);
  const commands = [
    `export AUTHD_SOCKET=${quote(socket)}`,
    `export AUTHD_CONFIG_DIR=${quote(configDir)} AUTHD_STATE_DIR=${quote(stateDir)}`,
    ...(authd === "authd" ? [] : [`alias authd=${quote(authd)}`]),
    "",
    "authd status --watch",
    "authd get labelf",
    ...Object.values(apis).map(requestLine),
    "authd test realtyna",
  ];
  return [
    "",
    `  ${paint("bold", "authd sandbox")}: a daemon of its own, and four practice APIs`,
    "",
    ...table(rows).map((line) => `    ${line}`),
    "",
    "  Type in another terminal:",
    "",
    ...commands.map((line) => (line ? `    ${paint("cyan", line)}` : "")),
    "",
    `  ${paint("bold", "Ctrl-C")} ends it and leaves nothing behind. Until then, every renewal:`,
    "",
  ];
}

function requestLine({ name, example }: Playground["apis"]["labelf"]): string {
  const method = example.method === "GET" ? [] : [example.method];
  const data = example.body === undefined ? [] : ["-d", quote(example.body)];
  return ["authd request", name, ...method, quote(example.url), ...data].join(" ");
}

export function refreshedLine(event: Notifications["token/refreshed"], paint: Paint): string {
  const now = Date.now();
  const until = event.expiresAt === null ? "" : `, runs out ${fromNow(event.expiresAt, now)}`;
  return line(event.credential, `${paint("green", "new token")}${until}`, now, paint);
}

export function stateLine(event: Notifications["credential/stateChanged"], paint: Paint): string {
  const why = event.reason === undefined ? "" : `: ${event.reason}`;
  return line(event.credential, `${stateCell(event.state, paint)}${why}`, Date.now(), paint);
}

function line(credential: string, text: string, now: number, paint: Paint): string {
  const clock = moment(now).slice(-8);
  return `  ${paint("dim", clock)}  ${paint("bold", plain(credential).padEnd(NAME_COLUMNS))} ${text}`;
}

export function stepLine({ title, ok, detail, ms }: StepResult, paint: Paint): string {
  const sign = ok ? paint("green", "✓") : paint("red", "✗");
  const seen = ok ? paint("dim", `${detail}, ${elapsed(ms)}`) : paint("red", plain(detail));
  return `  ${sign} ${title.padEnd(TITLE_COLUMNS)} ${seen}`;
}

function elapsed(ms: number): string {
  return ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`;
}
