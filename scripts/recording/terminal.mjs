// A shell on a pseudo-terminal (util-linux's script(1) has them), somebody who types there, and what it shows.
import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import xterm from "@xterm/headless";
import { readRows } from "./svg.mjs";

/** Between two keys (ms), and how often (ms) the screen is looked at. */
const KEY_MS = 45;
const LOOK_MS = 120;
/** How long (ms) a text may take to appear. */
const WAIT_MS = 15_000;

/** Starts a shell of `size` in `env`. `frames` grows by one whenever the screen has changed. */
export function openTerminal(size, env) {
  const terminal = new xterm.Terminal({
    cols: size.columns,
    rows: size.rows,
    allowProposedApi: true,
  });
  const command = `stty cols ${size.columns} rows ${size.rows}; exec bash --norc --noprofile`;
  const child = spawn("script", ["-qefc", command, "/dev/null"], {
    env: { ...env, TERM: "xterm-256color", PS1: "$ ", BASH_SILENCE_DEPRECATION_WARNING: "1" },
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdout.on("data", (bytes) => terminal.write(bytes));
  const frames = [];
  const startedAt = performance.now();
  const look = () => {
    const rows = readRows(terminal);
    if (frames.at(-1)?.rows.join("\n") === rows.join("\n")) return;
    frames.push({ at: (performance.now() - startedAt) / 1000, rows });
  };
  const timer = setInterval(look, LOOK_MS);
  const shown = () =>
    readRows(terminal)
      .join("\n")
      .replace(/<[^>]*>/g, "");
  return {
    frames,
    /** Waits until the screen shows `text`. */
    async shows(text) {
      for (let waited = 0; !shown().includes(text); waited += LOOK_MS) {
        if (waited > WAIT_MS) throw new Error(`"${text}" did not appear:\n${shown()}`);
        await sleep(LOOK_MS);
      }
    },
    /** Types as a person does. */
    async type(text) {
      for (const key of text) {
        child.stdin.write(key);
        await sleep(KEY_MS);
      }
    },
    close() {
      clearInterval(timer);
      child.kill();
    },
  };
}
