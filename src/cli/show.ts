import type { Command } from "commander";
import { omitUndefined } from "../base/omit-undefined.ts";
import { remedyOf, secretWarning } from "../observe/problems.ts";
import type {
  CredentialDetails,
  CredentialInfo,
  IntrospectResult,
  LoginInfo,
  PolicyInfo,
  VariantInfo,
} from "../protocol.ts";
import { callDaemon } from "./call-daemon.ts";
import { AT_RISK, appearanceCell } from "./credentials.ts";
import { differenceLines } from "./differences.ts";
import { columns, print, printJson } from "./output.ts";
import { ruleLines, settingsRows } from "./settings-rows.ts";
import { cut, type Paint, painter, plain, width } from "./style.ts";
import { expiry, fromNow, moment } from "./times.ts";
import { hanging } from "./wrap.ts";

export function define(command: Command): void {
  command
    .argument("<name>", "the credential")
    .option("--introspect", "also ask the issuer what it knows of the token")
    .option("--json", "for programs: what credentials/show answers")
    .action(show);
}

export const examples = ["authd show labelf", "authd show labelf --introspect"];

interface ShowOptions {
  json?: boolean;
  introspect?: boolean;
}

async function show(name: string, { json = false, introspect }: ShowOptions): Promise<void> {
  const introspection = introspect
    ? await callDaemon("credentials/introspect", { credential: name })
    : undefined;
  // Asking may have brought a token.
  const info = await callDaemon("credentials/show", { credential: name });
  if (json) return printJson({ ...info, ...omitUndefined({ introspection }) });
  const paint = painter(process.stdout);
  print(...sheet(info, Date.now(), paint, columns()));
  if (introspection) print("", ...introspectionLines(introspection, paint));
}

/** Formats what the issuer knows of the token; times with the moment that they mean. */
function introspectionLines({ active, members }: IntrospectResult, paint: Paint): string[] {
  const says = active
    ? "its token is active"
    : "its token is not active: authd refresh brings another";
  const { active: _, ...rest } = members;
  const labelWidth = Math.max(...Object.keys(rest).map((name) => width(plain(name))), 0);
  return [
    `${paint("bold", "The issuer says:")} ${says}`,
    ...Object.entries(rest).map(([name, value]) => {
      const isTime = ["exp", "iat", "nbf"].includes(name) && typeof value === "number";
      const text = typeof value === "string" ? value : JSON.stringify(value);
      const when = isTime ? ` (${moment(value * 1_000)})` : "";
      return `  ${paint("dim", plain(name).padEnd(labelWidth + 1))} ${plain(text)}${when}`;
    }),
  ];
}

/** A label and its value; without a value the row is left out. */
type Row = [label: string, value: string | undefined];

/** Formats a time (ms since the epoch). */
type FormatTime = (ms: number) => string;

function tokenRows(info: CredentialDetails, now: number, at: FormatTime): Row[] {
  const maybe = (ms: number | null | undefined) => (typeof ms === "number" ? at(ms) : undefined);
  return [
    ["token from", maybe(info.acquiredAt)],
    ["expires", maybe(info.expiresAt)],
    ["next refresh", info.state === "failing" ? undefined : (maybe(info.refreshAt) ?? "–")],
    ["next try", maybe(info.retryAt)],
    ["last refresh", lastRefresh(info, at)],
    ["refreshes", counts(info)],
    ["last asked for", maybe(info.lastAskedAt) ?? "never"],
    ["refresh token", refreshTokenEnds(info, now)],
    ["also for", info.tokens?.map((token) => variantLine(token, now)).join("\n")],
  ];
}

function problemRows(
  { unsaved, candidate, troubles = [], notes = [], lastError }: CredentialDetails,
  at: FormatTime,
): Row[] {
  return [
    ["not sealed", unsaved && `since ${at(unsaved.since)}: ${AT_RISK[unsaved.atRisk]}`],
    ["", unsaved?.message],
    ["new secrets", candidate && waiting(candidate, at)],
    ["", candidate?.message],
    ["note", lined(notes.map(({ message, help }) => `${message}\n→ ${help}`))],
    ["to do", lined(troubles.map(({ message, help }) => `${message}\n→ ${help}`))],
    ["last error", lastError && `${lastError.message} (${lastError.reason})`],
    ["", lastError && at(lastError.at)],
  ];
}

/** Formats everything about one credential as lines, with the next step. `columns`: of the terminal. */
export function sheet(
  info: CredentialDetails,
  now: number,
  paint: Paint,
  columns = Number.MAX_SAFE_INTEGER,
): string[] {
  const at = (ms: number) => `${moment(ms)} (${fromNow(ms, now)})`;
  const rows: Row[] = [
    ["state", appearanceCell(info, now, paint)],
    [
      "",
      info.untested && `nothing has used its token since it was entered: authd test ${info.name}`,
    ],
    ["preset", info.preset],
    ["grant", info.grant],
    ...tokenRows(info, now, at),
    ["origins", info.origins.length > 0 ? info.origins.join("\n") : "none: get works, request not"],
    ["kept", lined(info.kept ?? [])],
    ["who may use it", info.policy && whoMay(info.policy)],
    ["rules", lined(ruleLines(info))],
    ["signed in as", signedInAs(info)],
    ["sign-in", info.login && signIn(info.login, at)],
    ["secrets", lined((info.secrets ?? []).map(secretLine))],
    ["secret expires", info.secretExpires && `${info.secretExpires}${soon(info, now)}`],
    ...problemRows(info, at),
    ["file", info.file],
    ...settingsRows(info),
  ];
  const shown = rows.filter(([, value]) => value);
  const labelWidth = Math.max(...shown.map(([label]) => width(label)));
  const lines = shown.flatMap(([label, value = ""]) =>
    value.split("\n").flatMap((line, index) => {
      const head = (index === 0 ? label : "").padEnd(labelWidth + 1);
      const text = label === "state" ? line : plain(line);
      return hanging(`  ${paint("dim", head)}`, text, columns);
    }),
  );
  const next = remedyOf(info, info.state);
  return [
    paint("bold", plain(info.name)),
    ...lines,
    ...(info.differences ? ["", ...differenceLines(info, paint), ...unread(info)] : []),
    ...(next ? [`  ${paint("bold", "Next:")} ${next}`] : []),
  ];
}

/** Says of an edit that the daemon has not read yet that it counts for nothing so far. */
function unread({ state }: CredentialInfo): string[] {
  return state === "changed" ? [] : ["  authd has not read this edit yet: authd reload"];
}

function lined(lines: readonly string[]): string | undefined {
  return lines.length > 0 ? lines.join("\n") : undefined;
}

/** Lists the names that the issuer reports. */
function signIn({ signedInAt, account }: LoginInfo, at: FormatTime): string {
  if (signedInAt === undefined) return "nobody yet";
  return `${account ?? "an account that the issuer does not name"}, ${at(signedInAt)}`;
}

function signedInAs({ identity, acquiredAt }: CredentialDetails): string | undefined {
  if (identity) return lined(Object.entries(identity).map((pair) => pair.join(" ")));
  return acquiredAt === undefined ? undefined : "not told: an opaque token, and no id_token";
}

function secretLine({ name, optional, isEntered }: Secret): string {
  return `${name}: ${isEntered ? "entered" : optional ? "none, and none is needed" : "missing"}`;
}

type Secret = NonNullable<CredentialDetails["secrets"]>[number];

function lastRefresh(info: CredentialInfo, at: (ms: number) => string): string | undefined {
  if (info.lastRefreshAt === undefined) return undefined;
  const took = info.lastRefreshMs === undefined ? "" : `, took ${info.lastRefreshMs} ms`;
  return `${at(info.lastRefreshAt)}${took}`;
}

function counts({ refreshCount, failureCount, failuresInRow = 0 }: CredentialInfo): string {
  const inRow = failuresInRow > 0 ? `, the last ${failuresInRow} in a row` : "";
  return `${refreshCount}, failed ${failureCount}${inRow}`;
}

/** The limits, and the rules by their names. */
function whoMay(policy: PolicyInfo): string {
  const { expose, confirm, methods, paths, allow, deny, warnings = [] } = policy;
  const lines = [
    expose === "request" && "requests only: the token does not leave authd",
    methods && `with ${methods.join(", ")}`,
    paths && `to ${paths.join(", ")}`,
    confirm && `a person is asked (${confirm})`,
    allow.length > 0 ? `allowed by ${allow.join(", ")}` : "every program of yours",
    deny.length > 0 && `but not ${deny.join(", ")}`,
    ...warnings,
  ];
  return lines.filter((line) => line).join("\n");
}

/** Says when the refresh token ends unused, and when in any case. */
function refreshTokenEnds(info: CredentialInfo, now: number): string | undefined {
  const { refreshTokenExpiresAt: idle, refreshTokenHardExpiresAt: hard } = info;
  const ends = (at: number) => `${expiry(at, now)} (${moment(at)})`;
  const lines = [
    idle === undefined || idle === hard ? undefined : `${ends(idle)}, unless it is used`,
    hard === undefined ? undefined : `${ends(hard)}, however often it is used`,
  ];
  return lined(lines.filter((line) => line !== undefined));
}

function soon(info: CredentialInfo, now: number): string {
  const secret = secretWarning(info, now);
  if (!secret) return "";
  return secret.over ? ": it is over, make a new one" : ": soon, make a new one";
}

/** Formats a token for a scope or audience other than the credential's own. */
function variantLine(variant: VariantInfo, now: number): string {
  const { scope, audience, expiresAt, failuresInRow, refused } = variant;
  const what = [scope && `scope ${cut(scope, 60)}`, audience && `audience ${cut(audience, 60)}`];
  const life = expiresAt === null ? "no token" : expiry(expiresAt, now);
  const failed = failuresInRow > 0 ? `, failed ${failuresInRow} in a row` : "";
  const how = refused === undefined ? `${life}${failed}` : "refused by the issuer";
  return `${what.filter((each) => each).join(", ")}: ${how}`;
}

/** Secrets that were entered, and are not in force yet. */
function waiting(
  { enteredAt, state }: NonNullable<CredentialInfo["candidate"]>,
  at: (ms: number) => string,
): string {
  return `entered ${at(enteredAt)}, not in force until they have worked: ${state}`;
}
