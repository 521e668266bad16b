/** Turns a record into what hosts share of it, and back: pure functions. */

import { isDeepStrictEqual } from "node:util";
import * as z from "../../base/zod.ts";
import { type CredentialRecord, recordSchema, type StoredToken } from "../record.ts";
import type { StoreClock } from "./store-clock.ts";

/** Marks times on the store's clock, in the place of a boot's id. */
const STORE_BOOT = "store";

/** The content of a record in the store, before it is sealed. */
export interface SharedContent {
  /** Grows by one when a person changes the credential: what was obtained before is not used any more. */
  generation: number;
  record: CredentialRecord;
  /** Text of the credential file of the host that committed, for hosts without one. */
  file?: string | undefined;
}

export const sharedContent = z.object({
  generation: z.number(),
  record: recordSchema,
  file: z.optional(z.string()),
});

/** Members that are a host's own. */
const LOCAL = ["tokenFiles", "candidate", "shared"] as const;
/** Members that a request brings, beside the refresh token. */
const OUTCOME = ["tokens", "obtainedWith", "kept", "rotation", "refused"] as const;
/** Keys of what a binding is made of that say who may use the secrets, which each host has for itself. */
const RULES = ["group", "expose", "confirm", "methods", "paths", "allow", "deny", "verify"];

/** Returns what is shared of a record as it is now; an open intent is told by the store itself. */
export function toShared(
  record: CredentialRecord,
  clock: StoreClock,
  bootId: string,
): CredentialRecord {
  const shared = structuredClone(record);
  for (const key of LOCAL) delete shared[key];
  for (const token of shared.tokens) {
    token.obtainedAt = onStoreClock(token.obtainedAt, clock, bootId);
    token.askedAt = 0;
    delete token.askedAtBoot;
  }
  const { rotation } = shared;
  if (rotation) delete rotation.intent;
  if (rotation?.obtainedAt) {
    const { wall } = rotation.obtainedAt;
    rotation.obtainedAt = onStoreClock(rotation.obtainedAt, clock, bootId);
    moveEnds(rotation, rotation.obtainedAt.wall - wall);
  }
  return shared;
}

export interface FromSharedOptions {
  bootId: string;
  random: () => number;
  /** A person changed the credential on the other host: its secrets may go elsewhere than before. */
  isChange: boolean;
  /** Tokens for scopes and audiences that the other host has none for stay. */
  keepsOthers: boolean;
}

/** Returns the record of this host after another one has committed: what is a host's own stays. */
export function fromShared(
  shared: CredentialRecord,
  own: CredentialRecord | undefined,
  clock: StoreClock,
  { bootId, random, isChange, keepsOthers }: FromSharedOptions,
): CredentialRecord {
  const record = structuredClone(shared);
  for (const token of record.tokens) {
    const before = own?.tokens.find((one) => isDeepStrictEqual(one.variant, token.variant));
    token.obtainedAt = onLocalClock(token.obtainedAt, clock, bootId);
    // Whoever has obtained it refreshes it: eight hosts with a time of their own each would do it sooner than one.
    token.jitter *= random();
    token.askedAt = before?.askedAt ?? 0;
    if (before?.askedAtBoot !== undefined) token.askedAtBoot = before.askedAtBoot;
  }
  if (keepsOthers) record.tokens.push(...othersOf(own?.tokens ?? [], record.tokens));
  const { rotation } = record;
  if (rotation?.obtainedAt) {
    const { wall } = rotation.obtainedAt;
    rotation.obtainedAt = onLocalClock(rotation.obtainedAt, clock, bootId);
    moveEnds(rotation, rotation.obtainedAt.wall - wall);
  }
  if (!own) return record;
  for (const key of LOCAL) if (own[key]) Object.assign(record, { [key]: own[key] });
  // What a person on this host has agreed to holds for the same secrets, and for others that go to the same places.
  if (
    !isChange ||
    isDeepStrictEqual(own.secrets, record.secrets) ||
    sameDestinations(own, record)
  ) {
    const { binding, boundValues, written } = own;
    Object.assign(record, { binding }, boundValues && { boundValues }, written && { written });
  }
  return record;
}

/** Puts what came of a request of this host, a refresh token above all, into the record that another host has committed. */
export function withOutcome(
  record: CredentialRecord,
  own: CredentialRecord,
  rotates: string | undefined,
): void {
  const token = rotates === undefined ? undefined : own.secrets[rotates];
  if (token !== undefined) record.secrets = { ...record.secrets, [rotates!]: token };
  for (const key of OUTCOME) if (own[key] !== undefined) Object.assign(record, { [key]: own[key] });
}

/** Keeps the intent of this host, if the record has the refresh token that it is about. */
export function withIntent(
  record: CredentialRecord,
  own: CredentialRecord,
  rotates: string | undefined,
): void {
  const intent = own.rotation?.intent;
  if (!intent || record.secrets[rotates ?? ""] !== own.secrets[rotates ?? ""]) return;
  record.rotation = { worked: false, ...record.rotation, intent };
}

/** True if both have the same secrets, but for the refresh token, and send them to the same places. */
export function isSameChange(
  own: CredentialRecord,
  other: CredentialRecord,
  rotates: string | undefined,
): boolean {
  const [mine, others] = [own, other].map(({ secrets }) =>
    Object.entries(secrets).filter(([name]) => name !== rotates),
  );
  return isDeepStrictEqual(new Map(mine), new Map(others)) && sameDestinations(own, other);
}

/** True if the secrets of both go to the same places; the rules of who may use them may differ. */
function sameDestinations(own: CredentialRecord, other: CredentialRecord): boolean {
  if (own.binding === other.binding) return true;
  if (!own.boundValues || !other.boundValues) return false;
  return isDeepStrictEqual(withoutRules(own.boundValues), withoutRules(other.boundValues));
}

function withoutRules(values: object): object {
  return Object.fromEntries(Object.entries(values).filter(([key]) => !RULES.includes(key)));
}

/** Returns the tokens for scopes and audiences that are not among `newer`. */
function othersOf(tokens: readonly StoredToken[], newer: readonly StoredToken[]): StoredToken[] {
  return tokens.filter(
    ({ variant }) => !newer.some((one) => isDeepStrictEqual(one.variant, variant)),
  );
}

type Stamp = StoredToken["obtainedAt"];

function onStoreClock(stamp: Stamp, clock: StoreClock, bootId: string): Stamp {
  if (stamp.bootId !== bootId) return stamp;
  const storeMs = clock.toStore(stamp.boot);
  return storeMs === undefined ? stamp : { wall: storeMs, boot: 0, bootId: STORE_BOOT };
}

function onLocalClock(stamp: Stamp, clock: StoreClock, bootId: string): Stamp {
  return stamp.bootId === STORE_BOOT ? { ...clock.toLocal(stamp.wall), bootId } : stamp;
}

/** Moves the ends of a refresh token, which are told on the clock of when it was obtained. */
function moveEnds(rotation: NonNullable<CredentialRecord["rotation"]>, byMs: number): void {
  if (rotation.expiresAt !== undefined) rotation.expiresAt += byMs;
  if (rotation.hardExpiresAt !== undefined) rotation.hardExpiresAt += byMs;
}
