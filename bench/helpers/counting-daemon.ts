/** A daemon that on SIGUSR2 writes how many timers are pending: authd takes no --import. */
import { writeFileSync } from "node:fs";
import { MAIN } from "./child.ts";

process.on("SIGUSR2", () => {
  const timers = process.getActiveResourcesInfo().filter((kind) => kind === "Timeout");
  writeFileSync(process.env.BENCH_TIMERS_FILE!, String(timers.length));
});
await import(MAIN);
