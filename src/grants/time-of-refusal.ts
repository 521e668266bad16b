/** Notices that an issuer refused a signature because the clocks are apart. */
import type { IssuerResponse } from "./grant.ts";

/** Clocks that are this far apart are why issuers refuse a signature. */
const APART_MS = 10_000;

/** Returns the issuer's time if it refused a request whose signature has another time in it. */
export function timeOfRefusal({ status, sentAt }: IssuerResponse, now: number): number | undefined {
  const isRefused = status === 400 || status === 401;
  if (!isRefused || sentAt === undefined) return undefined;
  return Math.abs(sentAt.assumed - now) > APART_MS ? sentAt.assumed : undefined;
}
