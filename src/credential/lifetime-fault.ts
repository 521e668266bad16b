/** Lifetimes that can't be read or can't be, sealed so that a restart does not forget them; and assumed ones. */
import { hash } from "node:crypto";
import type { Moment } from "../base/timekeeper.ts";
import type { CredentialSettings } from "../config/settings.ts";
import type { Acquired, LifetimeFault } from "../grants/grant.ts";
import type { Note, Trouble } from "../protocol.ts";
import type { IssuedToken } from "./issued-token.ts";
import type { CredentialRecord } from "./record.ts";
import { type Lifetime, marginMs } from "./token.ts";
import type { TokenSlot } from "./token-slot.ts";

/** Tokens in a row that an API rejected early, before that is more than a coincidence. */
const EARLY_REJECTIONS = 2;

/** Returns what is wrong with the life of a token that has just come; undefined: nothing. */
export function faultOf(
  { lifetimeFault }: Acquired,
  { lifetime, assumed }: Lifetime,
  slot: TokenSlot,
  settings: CredentialSettings,
): LifetimeFault | undefined {
  if (lifetimeFault) {
    const until = assumed ? "; until that is put right, 1 h is assumed" : "";
    return { ...lifetimeFault, message: `${lifetimeFault.message}${until}` };
  }
  const isMarginCut =
    !assumed && Number.isFinite(lifetime) && marginMs(settings.lifetime) > lifetime;
  if (!isMarginCut) return earlyFault(slot);
  const whole = Math.round((lifetime * 2) / 1_000);
  const message = `lifetime.margin is more than half of the ${whole} s that a token lives: half of it counts`;
  return { message, set: "lifetime.margin=…" };
}

/** Notes the fault on `record`; undefined: there is none any more. Returns true if that is new. */
export function noteLifetime(
  record: CredentialRecord,
  settings: CredentialSettings,
  fault: LifetimeFault | undefined,
): boolean {
  const before = record.troubles?.lifetime;
  if (!fault && !before) return false;
  const { lifetime: _, ...rest } = record.troubles ?? {};
  const now = fault && { ...fault, settings: digestOf(settings) };
  record.troubles = now ? { ...rest, lifetime: now } : rest;
  return before?.message !== now?.message || before?.settings !== now?.settings;
}

/** Returns the fault with the command that mends it; none if the settings are others by now. */
export function lifetimeTroubles(
  settings: CredentialSettings,
  record: CredentialRecord | undefined,
): Trouble[] {
  const fault = record?.troubles?.lifetime;
  if (!fault || fault.settings !== digestOf(settings)) return [];
  const message = `${settings.name}: ${fault.message}`;
  return [{ reason: "lifetime", message, help: lifetimeHelp(settings.name, fault) }];
}

export function lifetimeHelp(name: string, { set }: Pick<LifetimeFault, "set">): string {
  return set === undefined ? `authd edit ${name}` : `authd set ${name} --set ${set}`;
}

/** Returns the note of a token whose lifetime nobody told. */
export function assumedNote(name: string, issued: IssuedToken | undefined): Note[] {
  if (!issued?.token.assumed) return [];
  const message = `${name}: the issuer tells no lifetime, so 1 h is assumed: the token is renewed before that, and when an API answers 401`;
  const help = `authd set ${name} --set lifetime.seconds=…, or --set lifetime=never if its tokens do not end`;
  return [{ message, help }];
}

/** Counts a token that an API rejected in the first half of the life that was told. */
export function noteEarlyRejection(slot: TokenSlot, issued: IssuedToken, now: Moment): void {
  const { lifetime, assumed, bornAt } = issued.token;
  const ageMs = now.boot - bornAt;
  if (assumed || !Number.isFinite(lifetime) || ageMs > lifetime / 2) return;
  const before = slot.rejectedEarly;
  if (before?.last === issued) return;
  const shortestMs = Math.min(ageMs, before?.shortestMs ?? ageMs);
  slot.rejectedEarly = { count: (before?.count ?? 0) + 1, last: issued, shortestMs, lifetime };
}

/** Forgets early rejections if the token that is being replaced was not rejected early. */
export function forgetEarlyRejections(slot: TokenSlot): void {
  if (slot.rejectedEarly?.last !== slot.issued) slot.rejectedEarly = undefined;
}

function earlyFault({ rejectedEarly }: TokenSlot): LifetimeFault | undefined {
  if (!rejectedEarly || rejectedEarly.count < EARLY_REJECTIONS) return undefined;
  const { count, shortestMs, lifetime } = rejectedEarly;
  const [after, told] = [shortestMs, lifetime].map((ms) => Math.max(1, Math.floor(ms / 1_000)));
  return {
    message: `an API rejected ${count} tokens in a row long before their end: after ${after} s, although the issuer tells ${told} s`,
    set: `lifetime.seconds=${after}`,
  };
}

/** The digest takes long where 10,000 credentials are looked at: it is made for those with a fault only. */
function digestOf({ writtenRequest, lifetime, ttl }: CredentialSettings): string {
  const about = JSON.stringify([writtenRequest, lifetime, ttl]);
  return hash("sha256", about, "base64url").slice(0, 11);
}
