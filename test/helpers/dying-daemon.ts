/**
 * Runs in the place of main.js: once its parent names a step, it ends itself with SIGKILL before that
 * change to the disk: the number of it from then on, or what is done.
 */
import { watchSteps } from "./disk-steps.ts";

let armed: number | string | undefined;
let steps = 0;

await watchSteps((step) => {
  steps++;
  const isIt = typeof armed === "string" ? step.startsWith(armed) : steps === armed;
  if (armed !== undefined && isIt) process.kill(process.pid, "SIGKILL");
});
process.on("message", (step: number | string) => {
  armed = step;
  steps = 0;
  process.send!("armed");
});
process.channel?.unref();
// Its parent is gone, whatever ended that: nothing is to be left behind.
process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));

process.argv.splice(2, process.argv.length, "serve");
await import("../../src/main.ts");
