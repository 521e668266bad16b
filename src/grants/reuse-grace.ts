import * as z from "../base/zod.ts";

/** Seconds for which an issuer forgives that a spent refresh token, or a secret that rotates, is sent once more. */
export const reuseGrace = z.described(
  z.optional(z.int().check(z.minimum(1), z.maximum(3_600))),
  "Seconds for which the issuer takes a refresh token once more; hosts that share a store rely on it.",
);
