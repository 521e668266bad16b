import test, { type ExecutionContext } from "ava";

export { absent } from "./absent.ts";

/** Tests of what only some systems have. */
export const onUnix = process.platform === "win32" ? test.skip : test;
export const onLinux = process.platform === "linux" ? test : test.skip;
/** On Linux; only root may become somebody else. */
export const asRoot = process.geteuid?.() === 0 ? onLinux : test.skip;
/** The same, one test of a file after another. */
export const asRootSerial = asRoot === test ? test.serial : test.serial.skip;

/**
 * Ends a test for which an optional program is not installed: it says so and passes, or fails if
 * AUTHD_TEST_NO_SKIP is set, as .ci/run does.
 */
export function missing(t: ExecutionContext, reason: string): void {
  if (process.env.AUTHD_TEST_NO_SKIP) t.fail(reason);
  else impossible(t, reason);
}

/** Ends a test for which this machine is not made, whatever is installed on it. */
export function impossible(t: ExecutionContext, reason: string): void {
  t.log(`SKIPPED: ${reason}`);
  t.pass();
}
