/**
 * Runs in the place of main.js: once its parent names an instant, it ends itself with SIGKILL there. The
 * daemon itself knows nothing of that: its changes to the disk and its renewals are watched from outside,
 * through Node's own functions.
 */
import { watchSteps } from "./disk-steps.ts";
import { watchMoves } from "./move-steps.ts";
import { watchRenewals } from "./renewal-steps.ts";

let armed: number | string | undefined;
let steps = 0;
const end = () => process.kill(process.pid, "SIGKILL");

await watchSteps((step) => {
  steps++;
  const isIt = typeof armed === "string" ? step.startsWith(armed) : steps === armed;
  if (armed !== undefined && isIt) end();
});
const renewals = await watchRenewals((point) => point === armed, end);
watchMoves((point) => {
  if (point === armed) end();
});

process.on("message", async (instant: number | string) => {
  await renewals.settled();
  armed = instant;
  steps = 0;
  process.send!("armed");
});
process.channel?.unref();
// Its parent is gone, whatever ended that: nothing is to be left behind.
process.on("disconnect", end);

process.argv.splice(2, process.argv.length, "serve");
await import("../../src/main.ts");
