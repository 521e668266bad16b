/** The instants of one renewal at which crashable-daemon.ts can end itself, in their order. */
export const CRASH_POINTS = [
  "before the intent",
  "with the intent's temporary file written",
  "with the intent's temporary file synced",
  "with the intent renamed into place",
  "with the intent's folder synced",
  "with the request half sent",
  "with the request sent",
  "with the answer there",
  "with the rotated token's temporary file written",
  "with the rotated token's temporary file synced",
  "with the rotated token renamed into place",
  "with the rotated token's folder synced",
  "before the client is answered",
  "after the client was answered",
] as const;

export type CrashPoint = (typeof CRASH_POINTS)[number];

/**
 * Between the request's last byte and the durable rename: the issuer has spent the token that is on
 * disk. Only the issuer's own grace can help.
 */
export const UNCLOSABLE: ReadonlySet<CrashPoint> = new Set<CrashPoint>([
  "with the request sent",
  "with the answer there",
  "with the rotated token's temporary file written",
  "with the rotated token's temporary file synced",
]);
