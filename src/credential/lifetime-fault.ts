/** Lifetimes that can't be read or can't be, sealed so that a restart does not forget them; and assumed ones. */
import { hash } from "node:crypto";
import type { CredentialSettings } from "../config/settings.ts";
import type { Acquired, LifetimeFault } from "../grants/grant.ts";
import { lifetimeKey } from "../grants/response-settings.ts";
import type { Note, Trouble } from "../protocol.ts";
import { countEarly, earlyFault } from "./early-rejections.ts";
import type { IssuedToken } from "./issued-token.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { CredentialRecord } from "./record.ts";
import { type Lifetime, marginMs } from "./token.ts";
import type { TokenSlot } from "./token-slot.ts";

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
  if (!isMarginCut) return earlyFault(slot.earlyRejections);
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
  return [{ reason: "lifetime", message, help: lifetimeHelp(settings, fault) }];
}

/** Returns the command that mends a fault. */
export function lifetimeHelp(
  settings: Pick<CredentialSettings, "name" | "own" | "preset">,
  { set }: Pick<LifetimeFault, "set">,
): string {
  const { name, own, preset } = settings;
  if (set === undefined) return `authd edit ${name}`;
  const isFixed = set === "lifetime=never" || set.startsWith("lifetime.seconds");
  const { response = {} } = own as { response?: Parameters<typeof lifetimeKey>[0] };
  // A preset's place gives way; the file's own would be left without effect, which is refused.
  const place = isFixed && preset === undefined ? lifetimeKey(response) : undefined;
  return `authd set ${name} --set ${set}${place === undefined ? "" : ` --unset ${place}`}`;
}

/** Returns the note of a token whose lifetime nobody told. */
export function assumedNote(name: string, issued: IssuedToken | undefined): Note[] {
  if (!issued?.token.assumed) return [];
  const message = `${name}: the issuer tells no lifetime, so 1 h is assumed: the token is renewed before that, and when an API answers 401`;
  const help = `authd set ${name} --set lifetime.seconds=…, or --set lifetime=never if its tokens do not end`;
  return [{ message, help }];
}

/**
 * Notes that an API rejected a token, and accepted the next one for the same request. Returns true if that
 * is a fault that has to be sealed.
 */
export function noteEarlyRejection(
  { deps, settings, stored: { record }, tokens: { own } }: Lifecycle,
  { token }: IssuedToken,
): boolean {
  own.earlyRejections = countEarly(own.earlyRejections, token, deps.time.now());
  const fault = earlyFault(own.earlyRejections);
  if (!fault || !record || record.troubles?.lifetime) return false;
  return noteLifetime(record, settings, fault);
}

/** The digest takes long where 10,000 credentials are looked at: it is made for those with a fault only. */
function digestOf({ writtenRequest, lifetime, ttl }: CredentialSettings): string {
  const about = JSON.stringify([writtenRequest, lifetime, ttl]);
  return hash("sha256", about, "base64url").slice(0, 11);
}
