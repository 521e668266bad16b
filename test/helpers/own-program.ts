import { execFileSync } from "node:child_process";
import type { ExecutionContext } from "ava";
import { absent, missing } from "./optional.ts";

/** Runs what its arguments say as its child, like a program of one's own that calls another. */
const SOURCE = `
#include <sys/wait.h>
#include <unistd.h>
int main(int count, char **words) {
  int status = 0;
  pid_t child = count < 2 ? -1 : fork();
  if (child == 0) { execv(words[1], words + 1); _exit(127); }
  if (child < 0 || waitpid(child, &status, 0) != child) return 126;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 125;
}
`;

/**
 * Makes a program at `path` that is no interpreter by its name or its content. False where there is no C
 * compiler: the test has ended.
 */
export function ownProgram(t: ExecutionContext, path: string): boolean {
  if (absent("cc").length > 0) {
    missing(t, "there is no C compiler (cc)");
    return false;
  }
  execFileSync("cc", ["-x", "c", "-o", path, "-"], { input: SOURCE });
  return true;
}
