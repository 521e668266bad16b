import { omitUndefined } from "../base/omit-undefined.ts";
import type { Moment } from "../base/timekeeper.ts";
import type { Policy, Rule } from "../config/policy.ts";
import type { CredentialSettings } from "../config/settings.ts";
import type { AuthdError } from "../errors.ts";
import { grantNamed, obtainsRotating } from "../grants/index.ts";
import type { CredentialInfo, LoginInfo, PolicyInfo, VariantInfo } from "../protocol.ts";
import { candidateInfo } from "./candidate.ts";
import { keptTroubles } from "./kept-values.ts";
import type { Lifecycle } from "./lifecycle.ts";
import { assumedNote } from "./lifetime-fault.ts";
import type { CredentialRecord } from "./record.ts";
import { hardEnd } from "./refresh-token-life.ts";
import { aloneTroubles } from "./shared/alone.ts";
import { expiresAt } from "./token.ts";
import type { TokenSlot } from "./token-slot.ts";
import { troublesOf } from "./troubles.ts";
import { unreplacedNote } from "./unreplaced-secret.ts";
import { isUntested } from "./untested.ts";

/** A slot and the boot time of its next refresh; Infinity: none. */
interface SlotDeadline {
  slot: TokenSlot;
  deadline: number;
}

/** Returns what people and programs see of a credential: no secret, no token. */
export function infoOf(life: Lifecycle): CredentialInfo {
  const now = life.deps.time.now();
  const { settings, blocker, tokens, refresher } = life;
  const { record, unsaved } = life.stored;
  const { name, grant, preset, origins, secretExpires, policy } = settings;
  const withDeadline = (slot: TokenSlot) => ({ slot, deadline: refresher.deadline(slot, now) });
  const primary = withDeadline(tokens.primary());
  const others = tokens.others().map(withDeadline);
  const { expiresAt, refreshAt, retryAt, acquiredAt } = tokenTimes(primary, now);
  const lastUsedAt = Math.max(...[primary, ...others].map(({ slot }) => slot.lastUsedAt));
  const { failureCount } = refresher.status;
  const lastError = blocker ? toLastError(blocker.error, now.wall) : refresher.status.lastError;
  const candidate = record?.candidate && candidateInfo(record.candidate, life.trial?.credential);
  const troubles = [
    ...troublesOf(settings, record),
    ...aloneTroubles(life.deps, name, record),
    ...keptTroubles(settings, tokens.own.issued),
    ...life.tokenFileTroubles,
  ];
  const limit = signInEnd(settings, record);
  const isTold = troubles.some(({ reason }) => reason === "lifetime");
  const notes = [
    ...(isTold ? [] : assumedNote(name, primary.slot.issued)),
    ...unreplacedNote(settings, record, primary.slot.issued),
  ];
  return {
    name,
    grant,
    ...omitUndefined({ preset }),
    state: life.state.current(),
    expiresAt,
    refreshAt,
    ...omitUndefined({
      retryAt,
      lastRefreshAt: notAfter(record?.lastRefreshAt, now.wall),
      lastRefreshMs: record?.lastRefreshMs,
    }),
    refreshCount: record?.refreshCount ?? 0,
    failureCount,
    ...omitUndefined({
      lastError: lastError && { ...lastError, at: Math.min(lastError.at, now.wall) },
    }),
    failuresInRow: primary.slot.failures,
    ...omitUndefined({ acquiredAt, lastAskedAt: toWallTime(lastUsedAt, now), unsaved, candidate }),
    ...omitUndefined({
      refreshTokenExpiresAt: record?.rotation?.expiresAt,
      refreshTokenHardExpiresAt: limit?.endsAt,
      refreshTokenWarningAt: limit?.warnAt,
    }),
    ...(others.length > 0 ? { tokens: others.map((other) => slotInfo(other, now)) } : {}),
    origins: [...new Set([...origins, ...(tokens.own.issued?.keptOrigins ?? [])])],
    ...omitUndefined({ kept: settings.kept && Object.keys(settings.kept) }),
    ...omitUndefined({ login: loginInfo(life) }),
    ...omitUndefined({ policy: policy && policyInfo(policy), secretExpires }),
    ...(troubles.length > 0 ? { troubles } : {}),
    ...(isUntested(life) ? { untested: true as const } : {}),
    ...(notes.length > 0 ? { notes } : {}),
  };
}

function loginInfo({ settings, stored }: Lifecycle): LoginInfo | undefined {
  const { signsIn } = grantNamed(settings.grant);
  if (!signsIn) return undefined;
  const { session, registration } = stored.record ?? {};
  const { signedInAt, account } = session ?? {};
  const { client_id } = settings.own as { client_id?: string };
  const isRegistered =
    registration && registration.clientId === client_id ? (true as const) : undefined;
  const name = account && (account.name ?? account.sub);
  return { how: [...signsIn], ...omitUndefined({ signedInAt, account: name, isRegistered }) };
}

/** True if something about a credential may need a person, now or later. */
export function mayNeedPerson(life: Lifecycle): boolean {
  const { blocker, refresher, settings, stored, tokens, trial } = life;
  // A locked vault is not the credential's own problem.
  if (blocker !== undefined && blocker.state !== "locked") return true;
  if (refresher.status.rejectedWith || trial?.credential?.needsAttention) return true;
  if (life.tokenFileTroubles.length > 0) return true;
  if (stored.unsaved !== undefined || settings.secretExpires !== undefined) return true;
  if (signInEnd(settings, stored.record) !== undefined) return true;
  if (keptTroubles(settings, tokens.own.issued).length > 0) return true;
  if (aloneTroubles(life.deps, life.name, stored.record).length > 0) return true;
  return troublesOf(settings, stored.record).length > 0;
}

/** Returns the end of a refresh token that only a person can replace, and from when on to warn of it. */
function signInEnd(settings: CredentialSettings, record: CredentialRecord | undefined) {
  return obtainsRotating(settings) ? undefined : hardEnd(record?.rotation);
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
