/** Reads how long a token, and the refresh token beside it, live, and says what of it can't be read or can't be. */
import { omitUndefined } from "../base/omit-undefined.ts";
import { guessFormat } from "./date-format.ts";
import type { Acquired, IssuerResponse, LifetimeFault } from "./grant.ts";
import { memberNamed } from "./json.ts";
import type { LifetimeSetting } from "./lifetime-setting.ts";
import { hiddenIn } from "./oauth-problem.ts";
import { type Answer, cookieAttributes, valueAt } from "./place.ts";
import { readRefreshLives } from "./refresh-lives.ts";
import type { AnswerContext } from "./refusal.ts";
import { showable } from "./showable.ts";
import { secondsIn, type TimeKind } from "./time-value.ts";
import { isDate, jwtTimes, seconds } from "./token-claims.ts";

/** An answer with a token in it. */
export interface TokenSource {
  response: IssuerResponse;
  answer: Answer;
  /** The object that holds the token, where members with the usual names are looked for. */
  members: object;
  accessToken: string;
  /** The places of a credential file. */
  places: {
    token?: string | undefined;
    expires_in?: string | undefined;
    expires_at?: string | undefined;
    refresh_expires_in?: string | undefined;
  };
  /** True if members with the usual names tell the lifetime where the file has no place for it. */
  hasUsualNames?: boolean;
}

/** The parts of a token that tell its life. */
export type ToldLife = Pick<
  Acquired,
  | "expiresIn"
  | "refreshIn"
  | "jwt"
  | "issuerSentAt"
  | "refreshExpiresIn"
  | "refreshHardExpiresIn"
  | "lifetimeFault"
>;

/** Names for a lifetime, and for an end, beside RFC 6749's: of Zoho, of Microsoft, and of many. */
const USUAL = {
  duration: ["expires_in", "expires_in_sec", "expires_in_seconds"],
  instant: ["expires_at", "expires_on", ".expires", "expires", "expiry", "expiration"],
} satisfies Record<TimeKind, string[]>;
/** A told lifetime this many times as long as the token's own can't be. */
const FAR_APART = 10;
const APART_SECONDS = 60;
/** A date, a number or one word: what a place leads to by mistake may be a secret. */
const QUOTABLE = /^(?=.{1,40}$)(?:[\d/.,:+TZ -]+(?: ?[AP]M)?|[A-Za-z]{1,12})$/i;

/** Words for a token that does not end, and the date that .NET writes for none. */
const ENDLESS = /^(-\d+|never|none|null|unlimited|infinite|infinity|forever|0001-01-01.*)$/i;

/** Returns what an answer tells of its token's life. The credential's `lifetime` overrides it. */
export function readLifetime(source: TokenSource, context: AnswerContext): ToldLife {
  const { lifetime } = context;
  const issuerSentAt = source.response.sentAt?.assumed;
  const reading = { ...tableOf(lifetime), now: issuerSentAt ?? context.now };
  const refresh = readRefreshLives(source, context, reading);
  if (lifetime === "never") return { expiresIn: "forever", ...refresh };
  const refreshIn = seconds(memberNamed(source.members, "refresh_in")) || undefined;
  const fixed = lifetime?.seconds;
  if (fixed !== undefined) return { expiresIn: fixed, ...omitUndefined({ refreshIn }), ...refresh };
  const jwt = jwtTimes(source.accessToken);
  const told = findTold(source, lifetime?.from);
  const left = told
    ? secondsIn(told.value, told.kind, reading)
    : cookieSeconds(source, reading.now);
  const expiresIn = left === undefined ? undefined : seconds(Math.max(0, left));
  const lifetimeFault =
    faultIn(told, left, (text) => showable(text, hiddenIn(source.response, context))) ??
    faultBeside(jwt, expiresIn, issuerSentAt) ??
    refresh.lifetimeFault;
  return {
    ...omitUndefined({ expiresIn, refreshIn, jwt: usable(jwt), issuerSentAt }),
    ...refresh,
    ...omitUndefined({ lifetimeFault }),
  };
}

function tableOf(lifetime: LifetimeSetting | undefined): Exclude<LifetimeSetting, "never"> {
  return typeof lifetime === "object" ? lifetime : {};
}

/** A value, and the key that says where it was looked for. */
interface Told {
  value: unknown;
  kind: TimeKind;
  /** The key of the credential file; undefined: a usual name. */
  key?: string;
  place: string;
}

/** Returns undefined if nothing is told. A place of the file that finds nothing has an undefined value. */
function findTold(source: TokenSource, from: string | undefined): Told | undefined {
  const { expires_in, expires_at } = source.places;
  const placed: [string, string | undefined, TimeKind][] = [
    ["lifetime.from", from, "instant"],
    ["response.expires_in", expires_in, "duration"],
    ["response.expires_at", expires_at, "instant"],
  ];
  for (const [key, place, kind] of placed) {
    if (place === undefined) continue;
    const value = valueAt(place, source.answer);
    // Null is how JSON says that there is none.
    return value === null || value === "" ? undefined : { value, kind, key, place };
  }
  if (!source.hasUsualNames) return undefined;
  for (const kind of ["duration", "instant"] as const) {
    for (const place of USUAL[kind]) {
      const value = memberNamed(source.members, place);
      if (value !== undefined) return { value, kind, place };
    }
  }
  return undefined;
}

/** Returns how long a token that is a cookie lives by its own attributes, of which Max-Age counts first. */
function cookieSeconds({ places: { token = "" }, answer }: TokenSource, now: number) {
  const attributes = cookieAttributes(token, answer);
  const left = secondsIn(attributes.get("max-age"), "duration", { now });
  return left ?? secondsIn(attributes.get("expires"), "instant", { now });
}

/** Returns what is wrong with a told value, and the setting that most likely mends it. */
function faultIn(
  told: Told | undefined,
  left: number | undefined,
  shown: (text: string) => string | undefined,
): LifetimeFault | undefined {
  if (!told || (left !== undefined && left > 0)) return undefined;
  const { value, key, place } = told;
  const where = key === undefined ? `the issuer's ${place}` : `${key} = "${place}"`;
  if (value === undefined) {
    return { message: `${where} finds nothing in the issuer's answer`, set: `${key}=…` };
  }
  const text = typeof value === "object" ? undefined : shown(String(value));
  const quoted = text !== undefined && QUOTABLE.test(text) ? ` (${text})` : "";
  if (left === undefined) {
    return { message: `${where} can't be read${quoted}`, set: remedyFor(text ?? "") };
  }
  const zone = isLocalTime(text ?? "") ? "lifetime.zone=…" : undefined;
  const set = Number(value) === 0 ? "lifetime=never" : zone;
  return { message: `${where}${quoted} leaves the token no time`, ...omitUndefined({ set }) };
}

function isLocalTime(text: string): boolean {
  return /\d\D\d/.test(text) && !/[zZ]|GMT|UTC|[+-]\d\d:?\d\d$/.test(text);
}

/** Returns the setting for a value that can't be read. */
function remedyFor(text: string): string {
  if (ENDLESS.test(text.trim())) return "lifetime=never";
  const format = guessFormat(text.trim());
  return format === undefined ? "lifetime.seconds=…" : `lifetime.format='${format}'`;
}

type Jwt = ReturnType<typeof jwtTimes>;

/** Leaves out an `exp` that is no date. */
function usable(jwt: Jwt): Jwt {
  if (jwt?.exp === undefined || isDate(jwt.exp)) return jwt;
  return omitUndefined({ iat: jwt.iat });
}

/** Returns what can't be of both the token's own times and what is told of it. */
function faultBeside(
  jwt: Jwt,
  expiresIn: number | undefined,
  issuerSentAt: number | undefined,
): LifetimeFault | undefined {
  const { exp, iat } = jwt ?? {};
  if (exp === undefined) return undefined;
  if (!isDate(exp)) {
    const message = `exp in the issuer's JWT (${exp}) is no date`;
    return { message, set: `lifetime.seconds=${Math.ceil(exp)}` };
  }
  const since = iat !== undefined && iat < exp ? iat : issuerSentAt && issuerSentAt / 1_000;
  const own = since === undefined ? undefined : Math.floor(exp - since);
  if (own === undefined || own <= 0 || expiresIn === undefined) return undefined;
  if (expiresIn < own * FAR_APART || expiresIn - own < APART_SECONDS) return undefined;
  const isMilliseconds = Math.abs(expiresIn / own / 1_000 - 1) < 0.1;
  // Without `iat` it may be the rest of a token's life that the issuer has in a cache.
  const seconds = iat === undefined ? undefined : `lifetime.seconds=${own}`;
  const message = `the issuer tells ${expiresIn} s, but the token itself ends after ${own} s, which counts`;
  return { message, ...omitUndefined({ set: isMilliseconds ? "lifetime.unit=ms" : seconds }) };
}
