import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { ExecutionContext } from "ava";
import { start } from "./child.ts";
import type { Home } from "./daemon.ts";

const MAIN = fileURLToPath(new URL("./crashable-daemon-main.js", import.meta.url));

/** Starts a daemon that ends itself with SIGKILL at an instant that the test names. */
export async function startCrashableDaemon(t: ExecutionContext, { env }: Home) {
  const { child, says, ended } = start(t, process.execPath, [MAIN], {
    env,
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  await says("authd listens on ");
  /** Before the change to the disk with this number or beginning (disk-steps.ts), or at a named instant. */
  const arm = async (instant: number | string) => {
    const armed = once(child, "message");
    child.send(instant);
    await armed;
  };
  const kill = async () => {
    child.kill("SIGKILL");
    await ended;
  };
  return { arm, kill, ended };
}
