/** Runs a program without a shell, and returns what it prints. */
import { type Ended, endProgram, type Start, whyMissing } from "./child.ts";

interface OutputStart extends Omit<Start, "onStart"> {
  /** More than this is no answer: the program is ended. */
  maxBytes: number;
}

interface Outcome {
  ended: Ended | { how: "too_long" };
  output: string;
}

/** Collects standard output as UTF-8; standard error goes nowhere. Never rejects. */
export async function programOutput({
  command,
  env,
  timeoutMs,
  maxBytes,
}: OutputStart): Promise<Outcome> {
  const { spawn } = await import("node:child_process");
  const [program = "", ...args] = command;
  const parts: Buffer[] = [];
  let bytes = 0;
  const outcome = new Promise<Outcome>((resolve) => {
    const child = spawn(program, args, {
      ...{ env, cwd: "/", windowsHide: true },
      stdio: ["ignore", "pipe", "ignore"],
    });
    const end = (ended: Ended | { how: "too_long" }) => {
      clearTimeout(timer);
      // A program that it started may keep the pipe open.
      child.stdout.destroy();
      resolve({ ended, output: Buffer.concat(parts).toString("utf8") });
    };
    const stop = (how: "timeout" | "too_long") => {
      endProgram(child, "SIGKILL");
      end({ how });
    };
    const timer = setTimeout(() => stop("timeout"), timeoutMs).unref();
    child.once("error", (error) => end({ how: "missing", why: whyMissing(error) }));
    child.stdout.on("data", (part: Buffer) => {
      bytes += part.length;
      parts.push(part);
      if (bytes > maxBytes) stop("too_long");
    });
    child.once("close", (code, signal) =>
      end(signal ? { how: "signal", signal } : { how: "exit", code: code ?? 0 }),
    );
  });
  return await outcome.catch((error) => ({
    ended: { how: "missing", why: whyMissing(error) },
    output: "",
  }));
}
