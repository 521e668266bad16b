import { harden } from "../harden.ts";
import { allowOptimizing } from "../memory.ts";

/** `authd serve`: the daemon in the foreground. Returns the exit code when it has ended. */
export async function serve(): Promise<number> {
  // Before anything that could hold a secret is loaded.
  harden();
  const { startDaemon } = await import("../daemon.ts");
  const daemon = await startDaemon({
    env: process.env,
    ...(process.stdin.isTTY ? { passphrase: askOnce() } : {}),
  });
  allowOptimizing();
  process.stdout.write(`authd listens on ${daemon.socket}\n`);
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => void daemon.close());
  }
  process.on("SIGHUP", () => void daemon.reload());
  await daemon.ended;
  return 0;
}

/** Only at start: later, when authd looks for the key again, nobody waits at the terminal. */
function askOnce() {
  let asked = false;
  return async ({ isNew }: { isNew: boolean }): Promise<string | undefined> => {
    if (asked) return undefined;
    asked = true;
    const { password, isCancel } = await import("@clack/prompts");
    const first = await password({ message: "Passphrase of the vault" });
    if (isCancel(first)) return undefined;
    if (!isNew) return first;
    const again = await password({ message: "The same once more" });
    return again === first ? first : undefined;
  };
}
