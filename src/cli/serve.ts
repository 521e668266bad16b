import type { Command } from "commander";
import { enableJit } from "../base/v8-flags.ts";
import type { Daemon } from "../daemon/daemon.ts";
import { harden } from "../daemon/harden.ts";
import { EXIT } from "./exit-code.ts";

export function define(command: Command): void {
  command.action(async () => {
    process.exitCode = await serve();
  });
}

/**
 * Runs the daemon in the foreground. Returns the exit code when it has ended: 1 if the disk did not
 * take secrets, which are lost then.
 */
async function serve(): Promise<number> {
  // Before anything that could hold a secret is loaded.
  harden();
  // In parts: Node opens the files of a part all at once, and the system may allow few.
  await import("../config/config.ts");
  await import("../vault/index.ts");
  const { startDaemon } = await import("../daemon/daemon.ts");
  const daemon = await startDaemon({
    env: process.env,
    ...(process.stdin.isTTY ? { passphrase: askOnce() } : {}),
  });
  enableJit();
  const stop = stopping(daemon);
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, stop);
  process.on("SIGHUP", () => void daemon.reload());
  // Written last: a program that waits for this line may send a signal at once.
  process.stdout.write(`authd listens on ${daemon.socket}\n`);
  const lost = await daemon.ended;
  return lost.length > 0 ? EXIT.failed : EXIT.done;
}

/** A signal that comes this soon after the first is a copy of it: npm and shells pass one Ctrl-C on twice. */
const SAME_SIGNAL_MS = 1_000;

/** Returns a signal handler: the first signal ends the daemon in order, a later one ends its wait for an issuer. */
function stopping(daemon: Pick<Daemon, "close" | "giveUp">): () => void {
  let firstAt: number | undefined;
  return () => {
    const now = performance.now();
    firstAt ??= now;
    if (now - firstAt >= SAME_SIGNAL_MS) daemon.giveUp();
    void daemon.close();
  };
}

/** Asks for the passphrase at the start only: when authd looks for the key later, nobody waits at the terminal. */
function askOnce() {
  let asked = false;
  return async ({ isNew }: { isNew: boolean }): Promise<string | undefined> => {
    if (asked) return undefined;
    asked = true;
    const { password, isCancel } = await import("@clack/prompts");
    const { askFresh } = await import("./keyboard.ts");
    const { weaknessOf } = await import("../vault/passphrase-strength.ts");
    const validate = (given = "") => (isNew ? weaknessOf(given) : undefined);
    const first = await askFresh(() => password({ message: "Passphrase of the vault", validate }));
    if (isCancel(first)) return undefined;
    if (!isNew) return first;
    const again = await askFresh(() => password({ message: "The same once more" }));
    return again === first ? first : undefined;
  };
}
