import { secretWarning } from "../observe/problems.ts";
import type { CredentialInfo, ProblemReason, State } from "../protocol.ts";
import type { Paint, Style } from "./style.ts";

/** For each state, its sign, style and words. */
export const STATES: Readonly<Record<State, { sign: string; style: Style; words: string }>> = {
  idle: { sign: "○", style: "dim", words: "idle" },
  ready: { sign: "●", style: "green", words: "ready" },
  refreshing: { sign: "◌", style: "cyan", words: "refreshing" },
  failing: { sign: "▲", style: "yellow", words: "failing" },
  login_required: {
    sign: "✖",
    style: "red",
    words: "login required",
  },
  rejected: { sign: "✖", style: "red", words: "rejected" },
  changed: {
    sign: "✖",
    style: "red",
    words: "changed",
  },
  damaged: {
    sign: "✖",
    style: "red",
    words: "damaged",
  },
  locked: { sign: "✖", style: "red", words: "locked" },
};

/** Returns how a credential looks: no state that does not work looks fine, whatever the wire calls it. */
export function appearance(
  info: Pick<CredentialInfo, "state" | "secretExpires" | "troubles" | "untested">,
  now: number,
): Appearance {
  const own = STATES[info.state];
  if (own.style === "red") return own;
  if (secretWarning(info, now)?.over) return { sign: "✖", style: "red", words: "expired" };
  const [trouble] = info.troubles ?? [];
  if (!trouble) return info.untested ? UNTESTED : own;
  // The token works, perhaps not for as long as it seems.
  if (trouble.reason === "lifetime") return { ...own, sign: "▲", style: "yellow" };
  return { sign: "✖", style: "red", words: TROUBLES[trouble.reason] ?? own.words };
}

/** Formats how a credential looks. */
export function appearanceCell(info: CredentialInfo, now: number, paint: Paint): string {
  const { sign, style, words } = appearance(info, now);
  return paint(style, `${sign} ${words}`);
}

type Appearance = { sign: string; style: Style; words: string };

/** A token that was entered, and that nothing has used since. */
const UNTESTED: Appearance = { sign: "○", style: "dim", words: "untested" };

/** Words for what does not work although a token is there, or none was asked for yet. */
const TROUBLES: Partial<Record<ProblemReason, string>> = {
  wrong_address: "wrong address",
  blocked: "blocked",
  test_failed: "refused",
};

export function stateCell(state: State, paint: Paint): string {
  const { sign, style, words } = STATES[state];
  return paint(style, `${sign} ${words}`);
}

/** Loss if the daemon ends before the disk takes what is in memory only. */
export const AT_RISK = {
  secrets: "if authd ends now, its newest refresh token is lost",
  tokens: "if authd ends now, it must obtain a token anew",
} as const;

/** Next step where there are no credentials. */
export const NO_CREDENTIALS = "No credentials yet. Next: authd add NAME --preset PRESET";
