/** Checks whether an access token can be used, and reads its claims. */
import { Buffer } from "node:buffer";
import { omitUndefined } from "../base/omit-undefined.ts";

const MAX_TOKEN_BYTES = 64 * 1024;
/** More than 3,000 years. Larger numbers mean "for ever" at some issuers (Long.MAX_VALUE). */
const MAX_SECONDS = 100_000_000_000;

/** Returns why a token can't be sent in a header; undefined if it can. Follows "the token" in a sentence. */
export function unfitToken(token: string): string | undefined {
  if (token === "") return "is empty";
  if (token.length > MAX_TOKEN_BYTES) return "is longer than 64 KiB";
  if (!/^[\x20-\x7e\xa0-\xff]+$/.test(token))
    return "holds characters that no HTTP header can carry";
  return undefined;
}

/** Converts a number or a numeric string to seconds; undefined for anything that is no duration. */
export function seconds(value: unknown): number | undefined {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  if (typeof number !== "number" || !Number.isFinite(number) || number < 0) return undefined;
  return Math.min(number, MAX_SECONDS);
}

/**
 * Returns a JWT's `exp` and `iat` (seconds since the epoch) without checking its signature: the API decides
 * whether to trust it, authd only needs to know when it ends. Undefined for any other token.
 */
export function jwtTimes(token: string): { exp?: number; iat?: number } | undefined {
  const parts = token.split(".");
  if (parts.length !== 3) return undefined;
  const [head, claims] = [readPart(parts[0]!), readPart(parts[1]!)];
  if (head === undefined || claims === undefined) return undefined;
  const [exp, iat] = [numericDate(claims.exp), numericDate(claims.iat)];
  return omitUndefined({ exp, iat });
}

/** Claims that name somebody (RFC 7519 section 4.1, RFC 9068 section 2.2, OpenID Connect Core section 5.1). */
const NAMES = [
  ...["iss", "sub", "client_id", "azp", "preferred_username", "username", "upn", "email", "name"],
];

/** Returns the names in a JWT's claims, its signature unchecked: for people. Empty for any other token. */
export function tokenIdentity(token: string): Record<string, string> {
  const parts = token.split(".");
  const claims = parts.length === 3 ? (readPart(parts[1]!) ?? {}) : {};
  const named = NAMES.flatMap((name) => {
    const value = claims[name];
    return typeof value === "string" && value !== "" && value.length <= 256 ? [[name, value]] : [];
  });
  return Object.fromEntries(named);
}

function readPart(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString());
    if (typeof value !== "object" || value === null) return undefined;
    return Object.assign(Object.create(null), value) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

/** True for a NumericDate that can be a token's: after September 2001. */
export function isDate(seconds: number): boolean {
  return seconds >= 1e9;
}

/** Converts a NumericDate (RFC 7519 section 2) to seconds; some issuers write a string, and some milliseconds. */
function numericDate(value: unknown): number | undefined {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  if (typeof number !== "number" || !(number > 0)) return undefined;
  const inSeconds = number > MAX_SECONDS ? number / 1000 : number;
  return inSeconds <= MAX_SECONDS ? inSeconds : undefined;
}
