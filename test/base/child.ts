import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { cleanEnvironment, endProgram, runProgram } from "../../src/base/child.ts";
import { onUnix } from "../helpers/optional.ts";

test("of the environment only what is known to be harmless is passed on", (t) => {
  const env = {
    ...{ PATH: "/bin", HOME: "/home/ada", LC_TIME: "C", DISPLAY: ":0", AUTHD_SOCKET: "/s" },
    ...{ SystemRoot: "C:\\Windows", EMPTY: "" },
  };
  const dangerous = {
    ...{ CREDENTIALS_DIRECTORY: "/run/x", LD_PRELOAD: "x.so", NODE_OPTIONS: "--inspect" },
    ...{ AWS_SECRET_ACCESS_KEY: "k", NOTIFY_SOCKET: "/n", AUTHD_VAULT_KEY: "file" },
  };
  const { EMPTY: _, ...passed } = env;
  t.deepEqual(cleanEnvironment({ ...env, ...dangerous, LANG: undefined }), passed);
});

onUnix(
  "one that could not be started is not ended in place of our own process group",
  async (t) => {
    let heard: NodeJS.Signals | undefined;
    const hear = (signal: NodeJS.Signals) => {
      heard = signal;
    };
    process.on("SIGWINCH", hear);
    t.teardown(() => process.off("SIGWINCH", hear));
    const child = spawn("/nonexistent/program", [], { stdio: "ignore" });
    const failed = once(child, "error");
    endProgram(child, "SIGWINCH");
    await failed;
    await sleep(50);
    t.is(heard, undefined);
  },
);

onUnix("a program ends with a code, by a signal, too late, or is not there", async (t) => {
  const run = (command: string[], timeoutMs = 10_000) =>
    runProgram({ command, env: { PATH: process.env.PATH ?? "" }, timeoutMs });
  t.deepEqual(await run(["sh", "-c", "exit 7"]), { how: "exit", code: 7 });
  t.deepEqual(await run(["sh", "-c", "kill -TERM $$"]), { how: "signal", signal: "SIGTERM" });
  t.deepEqual(await run(["sleep", "100"], 50), { how: "timeout" });
  t.deepEqual(await run(["/nonexistent/program"]), { how: "missing", why: "ENOENT" });
  // No shell reads it.
  t.deepEqual(await run(["sh", "-c", 'test "$0" = "; exit 3"', "; exit 3"]), {
    how: "exit",
    code: 0,
  });
});
