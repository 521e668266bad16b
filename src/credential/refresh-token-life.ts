/** How long a rotating refresh token lives: until it is left unused for too long, and at the most. */

import type { Moment } from "../base/timekeeper.ts";
import type { Acquired } from "../grants/grant.ts";
import type { Rotation, Stamp } from "./record.ts";
import { ageOf } from "./token.ts";

/** Time before the end from which on a person is warned, unless a quarter of the whole life is less. */
const WARNING_MS = 14 * 86_400_000;

/** The lives that an answer told. `isSame`: it brought no other refresh token. */
type ToldLives = Pick<Acquired, "refreshExpiresIn" | "refreshHardExpiresIn"> & { isSame: boolean };

/**
 * Stores when the refresh token ends. `lifetime` is kept only where a refresh postpones the end: an end that
 * stays where it was is a hard one. Of the same token, what was told before still counts.
 */
export function storeLives(rotation: Rotation, sent: Stamp, told: ToldLives): void {
  const before = { ...rotation };
  const left = sessionLeft(rotation, sent, sent.bootId);
  const idle = inMs(told.refreshExpiresIn);
  const endsIn = idle ?? (told.isSame ? left : undefined);
  const hard =
    inMs(told.refreshHardExpiresIn) ?? leftUntil(before.hardExpiresAt, before, sent, sent.bootId);
  forgetLives(rotation);
  if (endsIn === undefined && hard === undefined) return;
  rotation.obtainedAt = sent;
  if (hard !== undefined) rotation.hardExpiresAt = sent.wall + hard;
  if (endsIn !== undefined) rotation.expiresAt = sent.wall + endsIn;
  const lifetime = idle === undefined ? before.lifetime : postponed(idle, left);
  if (endsIn !== undefined && lifetime !== undefined) rotation.lifetime = lifetime;
  const limit = hard ?? (lifetime === undefined ? endsIn : undefined);
  if (limit === undefined) return;
  rotation.hardLifetime = Math.max(before.hardLifetime ?? 0, before.lifetime ?? 0, limit);
}

/** Returns the told life if it ends later than what was left; undefined: nothing was postponed. */
function postponed(toldMs: number, leftMs: number | undefined): number | undefined {
  return leftMs === undefined || toldMs > leftMs + 1_000 ? toldMs : undefined;
}

function inMs(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1_000;
}

function forgetLives(rotation: Rotation): void {
  delete rotation.lifetime;
  delete rotation.expiresAt;
  delete rotation.obtainedAt;
  delete rotation.hardExpiresAt;
  delete rotation.hardLifetime;
}

/**
 * Returns how long the refresh token itself still lives (ms), if the issuer told: on the boot clock while
 * the machine runs, as a wall clock that was set back would let it end unnoticed. 0 for one that comes
 * from the future.
 */
export function sessionLeft(rotation: Rotation, now: Moment, bootId: string): number | undefined {
  return leftUntil(rotation.expiresAt, rotation, now, bootId);
}

function leftUntil(
  endsAt: number | undefined,
  { obtainedAt }: Rotation,
  now: Moment,
  bootId: string,
): number | undefined {
  if (endsAt === undefined) return undefined;
  if (obtainedAt === undefined) return endsAt - now.wall;
  const age = ageOf(obtainedAt, now, bootId);
  return age < 0 ? 0 : endsAt - obtainedAt.wall - age;
}

/** Returns the end that no refresh postpones, and from when on to warn of it (wall clock, ms); undefined: none is known. */
export function hardEnd(
  rotation: Rotation | undefined,
): { endsAt: number; warnAt: number } | undefined {
  if (!rotation) return undefined;
  const { lifetime, expiresAt, obtainedAt, hardLifetime } = rotation;
  const endsAt = rotation.hardExpiresAt ?? (lifetime === undefined ? expiresAt : undefined);
  if (endsAt === undefined) return undefined;
  const whole = hardLifetime ?? (obtainedAt ? endsAt - obtainedAt.wall : Number.POSITIVE_INFINITY);
  return { endsAt, warnAt: endsAt - Math.min(WARNING_MS, whole / 4) };
}
