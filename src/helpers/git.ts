/** git's credential helper: git-credential(1), gitcredentials(7). */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { shellWord } from "../base/shell-word.ts";
import type { GetTokenResult } from "../protocol.ts";
import type { HelperCall, InstallOptions } from "./helper.ts";
import { originOf, type Place, parsePlace, placeAt } from "./places.ts";
import type { Change } from "./setup/change.ts";

/** A request or an answer: `key=value` lines; keys that end in `[]` may come several times. */
type Attributes = ReadonlyMap<string, readonly string[]>;

/** The user where neither git nor `helpers.toml` names one: GitHub takes any, GitLab this one. */
const DEFAULT_USER = "oauth2";

const ACTIONS: Readonly<Record<string, (call: HelperCall) => Promise<void>>> = {
  get,
  erase,
  // authd keeps tokens fresh by itself: git's copy is worth nothing.
  store: async () => {},
  capability: async ({ write }) => write("version 0\ncapability authtype\n"),
};

/** Answers nothing for a host without a credential: git asks its next helper, or the person. */
export async function answer(call: HelperCall): Promise<number> {
  const [action = ""] = call.args;
  // Actions of later versions of git are to be ignored (gitcredentials(7)).
  if (Object.hasOwn(ACTIONS, action)) await ACTIONS[action]!(call);
  return 0;
}

/** Tells git to stop: asking the person for a password would not help. Without a daemon git goes on by itself. */
export function fail(call: HelperCall, message: string, code: number): number {
  call.complain(message);
  if (call.args[0] === "get" && code !== NO_DAEMON) call.write("quit=1\n");
  return code;
}

const NO_DAEMON = 3;

async function get(call: HelperCall): Promise<void> {
  const asked = parse(await call.read());
  const place = placeOf(asked);
  const found = place && (await call.credentialFor(place));
  if (!found) return;
  const token = await call.getToken({ credential: found.credential });
  const user = found.user ?? place.user ?? DEFAULT_USER;
  call.write(rendered(token, user, asked));
}

/** An API that refuses a token has git erase it: it is renewed, if it is still the current one. */
async function erase(call: HelperCall): Promise<void> {
  const asked = parse(await call.read());
  const place = placeOf(asked);
  const rejectedToken = tokenIn(asked);
  if (!place || rejectedToken === undefined) return;
  const found = await call.credentialFor(place);
  if (found) await call.getToken({ credential: found.credential, rejectedToken });
}

function rendered({ accessToken, expiresAt }: GetTokenResult, user: string, asked: Attributes) {
  return [
    ...(asked.get("capability[]")?.includes("authtype")
      ? ["capability[]=authtype", ...headerOf(accessToken, user, asked), "ephemeral=1"]
      : [`username=${user}`, `password=${accessToken}`]),
    ...(expiresAt === null ? [] : [`password_expiry_utc=${Math.floor(expiresAt / 1_000)}`]),
    "",
  ].join("\n");
}

/** Returns the header's two parts: helpers such as `store` keep names and passwords alone, `ephemeral` or not. */
function headerOf(accessToken: string, user: string, asked: Attributes): string[] {
  if (wantsBearer(asked.get("wwwauth[]") ?? []))
    return ["authtype=Bearer", `credential=${accessToken}`];
  const login = Buffer.from(`${user}:${accessToken}`).toString("base64");
  return ["authtype=Basic", `credential=${login}`];
}

/** Returns the token in what git tells: as it is, or behind the user in a Basic header. */
function tokenIn(asked: Attributes): string | undefined {
  const credential = first(asked, "credential");
  if (credential === undefined || first(asked, "authtype")?.toLowerCase() !== "basic")
    return first(asked, "password") ?? credential;
  return Buffer.from(credential, "base64")
    .toString()
    .replace(/^[^:]*:/, "");
}

/** True if the server's challenges (WWW-Authenticate) offer Bearer, and no Basic. */
function wantsBearer(challenges: readonly string[]): boolean {
  const offers = (scheme: RegExp) => challenges.some((each) => scheme.test(each));
  return offers(/^bearer\b/i) && !offers(/^basic\b/i);
}

function parse(text: string): Attributes {
  const attributes = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const at = line.indexOf("=");
    if (at < 1) continue;
    const [key, value] = [line.slice(0, at), line.slice(at + 1)];
    attributes.set(key, [...(attributes.get(key) ?? []), value]);
  }
  return attributes;
}

const first = (attributes: Attributes, key: string) => attributes.get(key)?.[0];

/** Returns undefined for what is no web address, such as an IMAP server of git send-email. */
function placeOf(asked: Attributes): Place | undefined {
  const [protocol, host] = [first(asked, "protocol"), first(asked, "host")];
  if ((protocol !== "https" && protocol !== "http") || !host) return undefined;
  const user = first(asked, "username");
  return {
    ...placeAt(protocol, host, first(asked, "path") ?? ""),
    ...(user ? { user } : {}),
  };
}

/**
 * Returns a section for each host. `exec` leaves no shell between git, which asks, and authd; the empty helper
 * keeps other helpers from being asked for the host, and from being told the token to store it.
 */
export function changes({ env, home, command, wanted }: InstallOptions): Change[] {
  const path = configFile(env, home);
  const helper = `\thelper = ${JSON.stringify(helperOf(command))}`;
  const base = { kind: "lines", path } as const;
  if (wanted.length === 0)
    return [{ ...base, section: "[credential]", key: "helper", lines: [helper] }];
  return wanted.flatMap(({ target, credential }): Change[] => {
    const place = parsePlace(target);
    const section = `[credential "${originOf(place)}"]`;
    const of = { ...base, section, target, ...(credential === undefined ? {} : { credential }) };
    return [
      { ...of, key: "helper", lines: ["\thelper =", helper] },
      ...(place.path
        ? [{ ...of, key: "useHttpPath", lines: ["\tuseHttpPath = true"], isCommon: true }]
        : []),
    ];
  });
}

const helperOf = (command: readonly string[]) =>
  `!exec ${[...command, "helper", "git"].map(shellWord).join(" ")}`;

/** Other helpers are told the tokens, too, and may store them. */
export async function leaks({ command, wanted }: InstallOptions): Promise<string[]> {
  const { leaksOf } = await import("./setup/git-config.ts");
  const origins = wanted.map(({ target }) => originOf(parsePlace(target)));
  return leaksOf(helperOf(command), origins);
}

/** Returns the file that `git config --global` writes to. */
function configFile(env: InstallOptions["env"], home: string): string {
  if (env.GIT_CONFIG_GLOBAL) return env.GIT_CONFIG_GLOBAL;
  const own = join(home, ".gitconfig");
  const shared = join(env.XDG_CONFIG_HOME || join(home, ".config"), "git", "config");
  return !existsSync(own) && existsSync(shared) ? shared : own;
}
