/** A daemon that on SIGUSR2 writes how many timers are pending: authd takes no --import. */
import { writeFileSync } from "node:fs";
import { MAIN } from "./child.ts";

// The daemon keeps no variables that it does not know.
const file = process.env.BENCH_TIMERS_FILE!;

process.on("SIGUSR2", () => {
  const timers = process.getActiveResourcesInfo().filter((kind) => kind === "Timeout");
  writeFileSync(file, String(timers.length));
});
await import(MAIN);
