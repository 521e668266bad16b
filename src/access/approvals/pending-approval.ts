/** An open question: how clients see it, and how many may be open at once. */
import { omitUndefined } from "../../base/omit-undefined.ts";
import { quoted } from "../../base/terminal-safe.ts";
import type { PendingApproval } from "../../protocol.ts";
import { isOwnPeer } from "../../rpc/peer.ts";
import type { Question } from "../access.ts";
import type { Identity } from "../identity/identity.ts";
import { choicesFor, processKey } from "./approval-cache.ts";

/** More open questions than this are too many for a person. */
const MAX_QUESTIONS = 32;
/** Limit for one process, and for one user other than the daemon's: questions of others still fit. */
const MAX_QUESTIONS_PER_USER = 8;
/** Limit for all other users together: questions of the daemon's own user still fit. */
const MAX_QUESTIONS_OF_GUESTS = 16;

/** True if a question of `asker` is one too many beside those that are open. */
export function isTooMany(asker: Identity, open: readonly Identity[]): boolean {
  const key = processKey(asker);
  const guest = guestUid(asker);
  const own = open.filter(
    (other) => processKey(other) === key || (guest !== undefined && guestUid(other) === guest),
  );
  const guests = open.filter((other) => guestUid(other) !== undefined);
  return (
    open.length >= MAX_QUESTIONS ||
    own.length >= MAX_QUESTIONS_PER_USER ||
    (guest !== undefined && guests.length >= MAX_QUESTIONS_OF_GUESTS)
  );
}

/** Returns the uid of a user whom the daemon serves beside its own; undefined for its own user and root. */
export function guestUid({ peer }: Pick<Identity, "peer">): number | undefined {
  return isOwnPeer(peer) ? undefined : peer?.uid;
}

/** Converts a question to what clients see of it. `since` and `expiresAt` are wall clock, ms. */
export function toPendingApproval(
  question: Question,
  { id, since, expiresAt }: Pick<PendingApproval, "id" | "since" | "expiresAt">,
): PendingApproval {
  const { credential, kind, what, request, rule, identity } = question;
  const { actor, chain, unit, container, unknownReason, displayName } = identity;
  return {
    id,
    credential,
    kind: kind === "refresh" ? "token" : kind,
    what,
    rule,
    count: 1,
    program: displayName,
    processes: chain.map(({ pid, executable, name }) => `${quoted(executable ?? name)} (${pid})`),
    since,
    expiresAt,
    choices: choicesFor(question),
    ...omitUndefined({
      request,
      script: actor?.script,
      terminal: actor?.terminal,
      unit: unit ?? undefined,
      container: container ?? undefined,
      unknown: unknownReason,
    }),
  };
}
