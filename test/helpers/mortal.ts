import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { ExecutionContext } from "ava";
import { start } from "./child.ts";
import type { Home } from "./daemon.ts";

const DYING = fileURLToPath(new URL("./dying-daemon.js", import.meta.url));

/** A daemon that ends itself with SIGKILL before a change to the disk, once it is told which. */
export async function startMortal(t: ExecutionContext, { env }: Home) {
  const { child, says, ended } = start(t, process.execPath, [DYING], {
    env,
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  await says("authd listens on ");
  const arm = async (step: number | string) => {
    const armed = once(child, "message");
    child.send(step);
    await armed;
  };
  const kill = async () => {
    child.kill("SIGKILL");
    await ended;
  };
  return { arm, kill, ended };
}
