/** Proves that a token's holder has its key (RFC 9449). */
import { createHash, generateKeyPairSync, randomUUID } from "node:crypto";
import { challengeHeader } from "../base/challenges.ts";
import type { IssuerResponse } from "./grant.ts";
import { readMembers } from "./oauth-problem.ts";
import { signJwt } from "./sign-jwt.ts";
import { readSigningKey } from "./signing-key.ts";

/** More servers are forgotten, the first first: each tells its nonce again. */
const MAX_NONCES = 1_000;

/** The last nonce of each server, by origin (RFC 9449 section 8). */
export type DpopNonces = Map<string, string>;

/** The key of one credential, and the nonces of all servers. */
export interface Dpop {
  /** A private key as JWK. */
  readonly key: string;
  readonly nonces: DpopNonces;
}

interface Proven {
  method: string;
  url: string;
  /** The token that is sent; absent in token requests. */
  accessToken?: string;
  /** Wall clock, ms. */
  at: number;
}

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** Makes a key, as JWK. */
export function createDpopKey(): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return JSON.stringify(privateKey.export({ format: "jwk" }));
}

/** Returns the digest of a key's public half (RFC 7638). */
export function dpopThumbprint({ key }: Pick<Dpop, "key">): string {
  const { crv, kty, x, y } = JSON.parse(key) as Record<string, string>;
  // In the order of the RFC.
  const members = JSON.stringify({ crv, kty, x, y });
  return createHash("sha256").update(members).digest("base64url");
}

/** Returns the value of a `DPoP` header for one request. */
export async function dpopProof({ key, nonces }: Dpop, proven: Proven): Promise<string> {
  const { method, url, accessToken, at } = proven;
  const { origin, pathname } = new URL(url);
  const { kty, crv, x, y } = JSON.parse(key) as Record<string, string>;
  const nonce = nonces.get(origin);
  return await signJwt({
    key: readSigningKey(key, "dpop_key"),
    header: { typ: "dpop+jwt", jwk: { kty, crv, x, y } },
    claims: {
      ...{ jti: randomUUID(), htm: method, htu: `${origin}${pathname}` },
      iat: Math.floor(at / 1_000),
      ...(nonce !== undefined && { nonce }),
      ...(accessToken !== undefined && {
        ath: createHash("sha256").update(accessToken).digest("base64url"),
      }),
    },
  });
}

/** Keeps the nonce that a server sent; true if it is another than before. */
export function learnNonce(nonces: DpopNonces, url: string, headers: Headers): boolean {
  const given = [headers["dpop-nonce"] ?? []].flat()[0];
  // RFC 9449 section 8.1.
  if (given === undefined || !/^[\x21\x23-\x5b\x5d-\x7e]{1,1024}$/.test(given)) return false;
  const { origin } = new URL(url);
  if (nonces.get(origin) === given) return false;
  const [first] = nonces.keys();
  if (nonces.size >= MAX_NONCES && first !== undefined) nonces.delete(first);
  nonces.set(origin, given);
  return true;
}

/** True if an issuer refused a token request for want of its nonce. */
export function issuerWantsNonce({ status, text }: IssuerResponse): boolean {
  return (status === 400 || status === 401) && readMembers(text)?.error === "use_dpop_nonce";
}

/** True if an API refused a request for want of its nonce (RFC 9449 section 9). */
export function apiWantsNonce(status: number, headers: Headers): boolean {
  if (status !== 401) return false;
  const challenge = challengeHeader(headers);
  const at = challenge.search(/\bDPoP\b/i);
  return at >= 0 && /\berror="?use_dpop_nonce\b/i.test(challenge.slice(at));
}
