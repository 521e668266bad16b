import { execFile } from "node:child_process";

/** What an external program answered. */
export interface Answer {
  /** Undefined: the program is not installed, or it was killed. */
  code: number | undefined;
  stdout: string;
  stderr: string;
}

/** More than the 130 s that a unit may take to stop. */
const PATIENCE_MS = 150_000;

/** Runs a program of the PATH in `env` to its end. Never rejects. */
export function runTool(env: NodeJS.ProcessEnv, [program, ...args]: readonly string[]) {
  return new Promise<Answer>((resolve) => {
    const options = { env, timeout: PATIENCE_MS, encoding: "utf8" } as const;
    execFile(program ?? "", args, options, (error, stdout, stderr) => {
      const code = error ? error.code : 0;
      resolve({ code: typeof code === "number" ? code : undefined, stdout, stderr });
    });
  });
}
