import { REMEDIES } from "../observe/problems.ts";
import type { CredentialInfo, State } from "../protocol.ts";
import { cut, type Paint, plain, type Style } from "./style.ts";
import { table } from "./table.ts";
import { fromNow } from "./times.ts";

/** How a state looks, and what a person does about it. */
export const STATES: Readonly<
  Record<State, { sign: string; style: Style; words: string; next?: (name: string) => string }>
> = {
  idle: { sign: "○", style: "dim", words: "idle" },
  ready: { sign: "●", style: "green", words: "ready" },
  refreshing: { sign: "◌", style: "cyan", words: "refreshing" },
  failing: { sign: "▲", style: "yellow", words: "failing" },
  login_required: {
    sign: "✖",
    style: "red",
    words: "login required",
    next: REMEDIES.login_required,
  },
  rejected: { sign: "✖", style: "red", words: "rejected", next: REMEDIES.credential_rejected },
  changed: {
    sign: "✖",
    style: "red",
    words: "changed",
    next: REMEDIES.credential_changed,
  },
  damaged: {
    sign: "✖",
    style: "red",
    words: "damaged",
    next: REMEDIES.credential_damaged,
  },
  locked: { sign: "✖", style: "red", words: "locked", next: REMEDIES.vault_locked },
};

const HEADINGS = ["NAME", "API", "STATE", "EXPIRES", "NEXT REFRESH"];

/** One row a credential, and its last error below it where there is one. */
export function credentialTable(
  credentials: readonly CredentialInfo[],
  now: number,
  paint: Paint,
  columns = 100,
): string[] {
  const rows = credentials.map((info) => [
    plain(info.name),
    kindOf(info),
    stateCell(info.state, paint),
    info.expiresAt === null ? "–" : fromNow(info.expiresAt, now),
    nextTry(info, now),
  ]);
  const headings = HEADINGS.map((heading) => paint("dim", heading));
  const [head = "", ...lines] = table([headings, ...rows]);
  return [
    head,
    ...credentials.flatMap((info, index) => [lines[index] ?? "", ...trouble(info, paint, columns)]),
  ];
}

/** The preset, or the grant of a credential without one. */
export function kindOf(info: CredentialInfo): string {
  return plain(info.preset ?? info.grant);
}

export function stateCell(state: State, paint: Paint): string {
  const { sign, style, words } = STATES[state];
  return paint(style, `${sign} ${words}`);
}

/** When the daemon will ask the issuer next, on its own. */
export function nextTry(info: CredentialInfo, now: number): string {
  const at = info.retryAt ?? info.refreshAt;
  if (at === null || at === undefined) return "–";
  return at <= now ? "now" : fromNow(at, now);
}

/** What becomes of it if the daemon ends before the disk takes what it holds in memory only. */
export const AT_RISK = {
  secrets: "if authd ends now, its newest refresh token is lost",
  tokens: "if authd ends now, it must obtain a token anew",
} as const;

/** What the disk does not take, or the last error of a credential that is not well, on one line. */
export function trouble(info: CredentialInfo, paint: Paint, columns: number): string[] {
  if (info.unsaved)
    return [paint("red", cut(`  └ not on disk: ${plain(info.unsaved.message)}`, columns))];
  if (!info.lastError || info.state === "ready") return [];
  return [paint("dim", cut(`  └ ${plain(info.lastError.message)}`, columns))];
}

/** What to type after a look at a listing without a single credential. */
export const NO_CREDENTIALS = "No credentials yet. Next: authd add NAME --preset PRESET";
