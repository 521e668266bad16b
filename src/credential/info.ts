import { omitUndefined } from "../base/omit-undefined.ts";
import type { Moment } from "../base/timekeeper.ts";
import type { Policy, Rule } from "../config/policy.ts";
import type { CredentialSettings } from "../config/settings.ts";
import type { AuthdError } from "../errors.ts";
import type { CredentialInfo, PolicyInfo, State, Trouble, VariantInfo } from "../protocol.ts";
import type { Blocker } from "./blocker.ts";
import type { CredentialRecord } from "./record.ts";
import { expiresAt } from "./token.ts";
import type { TokenSlot } from "./token-slot.ts";

export interface InfoInput {
  settings: CredentialSettings;
  record: CredentialRecord | undefined;
  state: State;
  blocker: Blocker | undefined;
  /** The slot that is shown for the credential. */
  primary: SlotDeadline;
  /** The slots beside the credential's own. */
  others: readonly SlotDeadline[];
  failureCount: number;
  lastError: CredentialInfo["lastError"];
  candidate: CredentialInfo["candidate"];
  unsaved: CredentialInfo["unsaved"];
  troubles: Trouble[];
}

/** A slot and the boot time of its next refresh; Infinity: none. */
interface SlotDeadline {
  slot: TokenSlot;
  deadline: number;
}

/** Returns what people and programs see of a credential: no secret, no token. */
export function infoOf(input: InfoInput, now: Moment): CredentialInfo {
  const { settings, record, blocker, primary, others, candidate, unsaved } = input;
  const { name, grant, preset, origins, secretExpires, policy } = settings;
  const { expiresAt, refreshAt, retryAt, acquiredAt } = tokenTimes(primary, now);
  const lastUsedAt = Math.max(...[primary, ...others].map(({ slot }) => slot.lastUsedAt));
  const lastError = blocker ? toLastError(blocker.error, now.wall) : input.lastError;
  return {
    name,
    grant,
    ...omitUndefined({ preset }),
    state: input.state,
    expiresAt,
    refreshAt,
    ...omitUndefined({
      retryAt,
      lastRefreshAt: notAfter(record?.lastRefreshAt, now.wall),
      lastRefreshMs: record?.lastRefreshMs,
    }),
    refreshCount: record?.refreshCount ?? 0,
    failureCount: input.failureCount,
    ...(lastError ? { lastError: { ...lastError, at: Math.min(lastError.at, now.wall) } } : {}),
    failuresInRow: primary.slot.failures,
    ...omitUndefined({ acquiredAt, lastAskedAt: toWallTime(lastUsedAt, now), unsaved, candidate }),
    ...omitUndefined({ refreshTokenExpiresAt: record?.rotation?.expiresAt }),
    ...(others.length === 0 ? {} : { tokens: others.map((other) => slotInfo(other, now)) }),
    origins: [...origins],
    ...omitUndefined({ policy: policy && policyInfo(policy), secretExpires }),
    ...(input.troubles.length > 0 ? { troubles: input.troubles } : {}),
  };
}

/** Returns a past time that does not lie in the future, also if the wall clock was set back since. */
function notAfter(time: number | undefined, now: number): number | undefined {
  return time === undefined ? undefined : Math.min(time, now);
}

function policyInfo(policy: Policy): PolicyInfo {
  const { expose, confirm, methods, paths, allow, deny, warnings } = policy;
  const names = (rules: readonly Rule[]) => rules.map(({ name }) => name);
  return {
    expose,
    ...omitUndefined({ confirm, methods: methods && [...methods], paths: paths && [...paths] }),
    allow: names(allow),
    deny: names(deny),
    ...omitUndefined({ warnings: warnings && [...warnings] }),
  };
}

function slotInfo(of: SlotDeadline, now: Moment): VariantInfo {
  const { target, failures, lastUsedAt, rejectedWith } = of.slot;
  const { expiresAt, refreshAt, retryAt, acquiredAt } = tokenTimes(of, now);
  const lastAskedAt = toWallTime(lastUsedAt, now);
  return {
    ...target,
    expiresAt,
    refreshAt,
    failuresInRow: failures,
    ...omitUndefined({ acquiredAt, retryAt, lastAskedAt, refused: rejectedWith?.message }),
  };
}

/** Returns when a slot's token came, ends and is refreshed (wall clock, ms). */
function tokenTimes({ slot: { issued, failures, retryAt }, deadline }: SlotDeadline, now: Moment) {
  const isRetried = failures > 0 && Number.isFinite(deadline);
  return {
    expiresAt: issued ? expiresAt(issued.token, now) : null,
    refreshAt: issued ? (toWallTime(deadline, now) ?? null) : null,
    retryAt: isRetried ? toWallTime(retryAt, now) : undefined,
    acquiredAt: issued && toWallTime(issued.token.bornAt, now),
  };
}

/** Converts boot time to wall-clock ms; undefined for Infinity. */
function toWallTime(boot: number, now: Moment): number | undefined {
  return Number.isFinite(boot) ? Math.round(now.wall + boot - now.boot) : undefined;
}

/** Returns what people see of a credential whose file has had a mistake since the daemon started. */
export function brokenInfo(name: string, error: AuthdError, at: number): CredentialInfo {
  return {
    name,
    grant: "unknown",
    state: "damaged",
    expiresAt: null,
    refreshAt: null,
    refreshCount: 0,
    failureCount: 0,
    failuresInRow: 0,
    lastError: toLastError(error, at),
    origins: [],
  };
}

function toLastError({ reason, message }: AuthdError, at: number) {
  return { reason, message, at };
}
