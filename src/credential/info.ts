import { omitUndefined } from "../base/omit-undefined.ts";
import type { Moment } from "../base/timekeeper.ts";
import type { Policy, Rule } from "../config/policy.ts";
import type { CredentialSettings } from "../config/settings.ts";
import type { AuthdError } from "../errors.ts";
import type { CredentialInfo, PolicyInfo, State, VariantInfo } from "../protocol.ts";
import type { Blocker } from "./blocker.ts";
import type { CredentialRecord } from "./record.ts";
import { expiresAt } from "./token.ts";
import type { TokenSlot } from "./token-slot.ts";

export interface InfoInput {
  settings: CredentialSettings;
  record: CredentialRecord | undefined;
  state: State;
  blocker: Blocker | undefined;
  /** The variant that stands for the credential. */
  face: TokenSlot;
  /** Boot time of its next flight; Infinity: none. */
  deadline: number;
  failureCount: number;
  lastError: CredentialInfo["lastError"];
  candidate: CredentialInfo["candidate"];
  unsaved: CredentialInfo["unsaved"];
  /** The variants beside its own. */
  others: readonly SlotDeadline[];
}

/** A variant and the boot time of its next flight; Infinity: none. */
interface SlotDeadline {
  slot: TokenSlot;
  deadline: number;
}

/** What people and programs see of a credential: no secret, no token. */
export function infoOf(input: InfoInput, now: Moment): CredentialInfo {
  const { settings, record, state, blocker: obstacle, face, deadline, unsaved, others } = input;
  const { name, grant, preset, origins, secretExpires } = settings;
  const lastError = obstacle ? toLastError(obstacle.error, now.wall) : input.lastError;
  const { expiresAt, refreshAt, retryAt, acquiredAt } = tokenTimes({ slot: face, deadline }, now);
  const asked = Math.max(face.lastUsedAt, ...others.map(({ slot: variant }) => variant.lastUsedAt));
  return {
    name,
    grant,
    ...(preset === undefined ? {} : { preset }),
    state,
    expiresAt,
    refreshAt,
    ...omitUndefined({ retryAt }),
    ...(record?.lastRefreshAt === undefined
      ? {}
      : // What is over is not told as in the future, if the wall clock was set back since.
        { lastRefreshAt: Math.min(record.lastRefreshAt, now.wall) }),
    ...omitUndefined({ lastRefreshMs: record?.lastRefreshMs }),
    refreshCount: record?.refreshCount ?? 0,
    failureCount: input.failureCount,
    ...(lastError ? { lastError: { ...lastError, at: Math.min(lastError.at, now.wall) } } : {}),
    failuresInRow: face.failures,
    ...omitUndefined({ acquiredAt, lastAskedAt: toWall(asked, now), unsaved }),
    ...omitUndefined({ candidate: input.candidate }),
    ...omitUndefined({ refreshTokenExpiresAt: record?.rotation?.expiresAt }),
    ...(others.length === 0 ? {} : { tokens: others.map((one) => tokenInfo(one, now)) }),
    origins: [...origins],
    ...omitUndefined({ policy: settings.policy && policyInfo(settings.policy), secretExpires }),
  };
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

function tokenInfo({ slot: variant, deadline }: SlotDeadline, now: Moment): VariantInfo {
  const { target: want, failures, lastUsedAt: askedAt, rejectedWith: stopped } = variant;
  const { expiresAt, refreshAt, retryAt, acquiredAt } = tokenTimes(
    { slot: variant, deadline },
    now,
  );
  return {
    ...want,
    expiresAt,
    refreshAt,
    failuresInRow: failures,
    ...omitUndefined({
      acquiredAt,
      retryAt,
      lastAskedAt: toWall(askedAt, now),
      refused: stopped?.message,
    }),
  };
}

/** When the token came, ends and is renewed. */
function tokenTimes({ slot: { issued, failures, retryAt }, deadline }: SlotDeadline, now: Moment) {
  const failing = failures > 0 && Number.isFinite(deadline);
  return {
    expiresAt: issued ? expiresAt(issued.token, now) : null,
    refreshAt: issued ? (toWall(deadline, now) ?? null) : null,
    retryAt: failing ? toWall(retryAt, now) : undefined,
    acquiredAt: issued && toWall(issued.token.bornAt, now),
  };
}

/** A boot time by the wall clock of now; undefined for one that never is. */
function toWall(boot: number, now: Moment): number | undefined {
  return Number.isFinite(boot) ? Math.round(now.wall + boot - now.boot) : undefined;
}

/** One whose file never worked since the start. */
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
