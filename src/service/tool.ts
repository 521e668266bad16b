import { execFile } from "node:child_process";

/** Result of an external program. */
export interface Answer {
  /** Undefined: the program is not installed, or it was killed. */
  code: number | undefined;
  stdout: string;
  stderr: string;
}

/** Longer than the 130 s that a unit may take to stop. */
const TOOL_TIMEOUT_MS = 150_000;

/** Runs a program of the PATH in `env` to its end. Never rejects. */
export function runTool(env: NodeJS.ProcessEnv, [program, ...args]: readonly string[]) {
  return new Promise<Answer>((resolve) => {
    const options = { env, timeout: TOOL_TIMEOUT_MS, encoding: "utf8" } as const;
    execFile(program ?? "", args, options, (error, stdout, stderr) => {
      const code = error ? error.code : 0;
      resolve({ code: typeof code === "number" ? code : undefined, stdout, stderr });
    });
  });
}
