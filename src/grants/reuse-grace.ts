import * as z from "../base/zod.ts";

/** Seconds for which an issuer forgives that a spent refresh token, or a secret that rotates, is sent once more. */
export const reuseGrace = z
  .int()
  .min(1)
  .max(3_600)
  .optional()
  .describe(
    "Seconds for which the issuer takes a refresh token once more; hosts that share a store rely on it.",
  );
