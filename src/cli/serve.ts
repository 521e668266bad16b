import { enableJit } from "../base/v8-flags.ts";
import type { Daemon } from "../daemon/daemon.ts";
import { harden } from "../daemon/harden.ts";
import { EXIT } from "./exit-code.ts";

/**
 * `authd serve`: the daemon in the foreground. Returns the exit code when it has ended: 1 if secrets
 * were lost by that, because the disk did not take them.
 */
export async function serve(): Promise<number> {
  // Before anything that could hold a secret is loaded.
  harden();
  const { startDaemon } = await import("../daemon/daemon.ts");
  const daemon = await startDaemon({
    env: process.env,
    ...(process.stdin.isTTY ? { passphrase: askOnce() } : {}),
  });
  enableJit();
  const stop = stopping(daemon);
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, stop);
  process.on("SIGHUP", () => void daemon.reload());
  // Last: whoever waits for this line may send a signal at once.
  process.stdout.write(`authd listens on ${daemon.socket}\n`);
  const losers = await daemon.ended;
  return losers.length > 0 ? EXIT.failed : EXIT.done;
}

/** npm and shells pass one Ctrl-C on twice: what comes this soon (ms) after the first signal is the same one. */
const SAME_SIGNAL = 1_000;

/** The first signal ends the daemon in order; one that comes later ends its wait for an issuer. */
function stopping(daemon: Pick<Daemon, "close" | "giveUp">): () => void {
  let firstAt: number | undefined;
  return () => {
    const now = performance.now();
    firstAt ??= now;
    if (now - firstAt >= SAME_SIGNAL) daemon.giveUp();
    void daemon.close();
  };
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
