/** Keys pressed while no question is on the screen: neither echoed nor taken as the next answer. */
import { setTimeout as sleep } from "node:timers/promises";
import { libc } from "../base/libc.ts";

const CTRL_C = 0x03;
const CLEAR_LINE = "\r\x1b[K";
/** Queue selector of tcflush(3) for what was typed and not read yet. */
const TCIFLUSH = process.platform === "darwin" ? 1 : 0;
/** A question appears after the keyboard was quiet for so long (ms), and after the longest wait at the latest. */
const QUIET_MS = 20;
const LONGEST_MS = 500;

const { stdin } = process;
let isHeld = false;
let discarded = 0;
/** The value of `discarded` at the last question. */
let cleared = 0;

/** Runs a command that asks several questions; between them the keyboard stays silent. */
export async function withSilentKeyboard<T>(work: () => Promise<T>): Promise<T> {
  if (!stdin.isTTY || isHeld) return await work();
  isHeld = true;
  silence();
  try {
    return await work();
  } finally {
    isHeld = false;
    stopDiscarding();
    stdin.setRawMode(false);
  }
}

/** Runs `prompt` after everything that was typed before it has been read and thrown away. */
export async function askFresh<T>(prompt: () => Promise<T>): Promise<T> {
  if (!stdin.isTTY) return await prompt();
  silence();
  await untilQuiet();
  stopDiscarding();
  flushTyped();
  // The terminal has echoed what was typed before this process turned that off.
  if (discarded > cleared) process.stderr.write(CLEAR_LINE);
  cleared = discarded;
  try {
    return await prompt();
  } finally {
    if (isHeld) silence();
  }
}

/** Turns the terminal's echo off. The process may still end by itself. */
function silence(): void {
  stdin.setRawMode(true);
  stdin.off("data", discard).on("data", discard).resume().unref();
}

function stopDiscarding(): void {
  stdin.off("data", discard).pause().ref();
}

/** In raw mode Ctrl-C is a byte like any other; it still interrupts. */
function discard(bytes: Buffer): void {
  discarded += bytes.length;
  if (bytes.includes(CTRL_C)) process.kill(process.pid, "SIGINT");
}

/** Drops what the terminal holds and this process has not read, where libc can be called. */
function flushTyped(): void {
  try {
    libc("int tcflush(int, int)")?.(stdin.fd, TCIFLUSH);
  } catch {
    // Without it, keys of the last milliseconds count as typed after the question.
  }
}

async function untilQuiet(): Promise<void> {
  for (let waited = 0; waited < LONGEST_MS; waited += QUIET_MS) {
    const before = discarded;
    await sleep(QUIET_MS);
    if (discarded === before) return;
  }
}
