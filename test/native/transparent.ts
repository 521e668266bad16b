/** Whom the daemon takes for the one that asks, behind the native command. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { run } from "../helpers/child.ts";
import { type Daemon, MAIN, startDaemon } from "../helpers/daemon.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { BUILT, copyNative, NODE_COMMAND } from "../helpers/native.ts";
import { onLinux } from "../helpers/optional.ts";
import { ownProgram } from "../helpers/own-program.ts";
import { until } from "../helpers/until.ts";

const TOKEN = "a-token-of-one-program";

/** A daemon whose credential `demo` is for `program` alone. */
async function guardedFor(t: ExecutionContext, program: string): Promise<Daemon> {
  const settings = `grant = "static"\n\n[[allow]]\nname = "backup"\nexecutable = "${program}"\n`;
  const daemon = await startDaemon(t, { config: { "credentials/demo.toml": settings } });
  const set = ["set", "demo", "--secrets-from", "-"];
  const { code, stderr } = await daemon.cli(set, { input: JSON.stringify({ token: TOKEN }) });
  t.is(code, 0, stderr);
  return daemon;
}

onLinux("the native command acts for its parent, as the Node command does", async (t) => {
  const program = join(temporaryFolder(t), "backup");
  if (!ownProgram(t, program)) return;
  const { env, stateDir } = await guardedFor(t, program);
  const askers = [
    [process.execPath, MAIN, "get", "demo"],
    [BUILT, "get", "demo"],
    // These words are handed to the Node command, in the same process.
    [BUILT, "get", "--", "demo"],
  ];
  for (const words of askers) {
    const { code, stdout, stderr } = await run(t, program, words, { env });
    t.is(code, 0, stderr);
    t.is(stdout, `${TOKEN}\n`);
    const [command = "", ...args] = words;
    const direct = await run(t, command, args, { env });
    t.is(direct.code, 6, direct.stderr);
    t.is(direct.stdout, "");
  }
  const audit = () => readFileSync(join(stateDir, "audit.log"), "utf8");
  const entries = () =>
    audit()
      .split("\n")
      .filter((line) => line.includes("getToken"));
  // Lines are written a moment later, several at once; the last is a refusal.
  await until(() => entries().length >= 2 * askers.length);
  const own = entries().filter((line) => line.includes(`"program":"${program}"`));
  t.is(own.length, askers.length);
  t.false(audit().includes(BUILT));
});

onLinux("another program of that name, or a copy, speaks for itself", async (t) => {
  const folder = temporaryFolder(t);
  const program = join(folder, "backup");
  const other = join(folder, "authd");
  if (!ownProgram(t, program) || !ownProgram(t, other)) return;
  const { env } = await guardedFor(t, program);
  for (const words of [
    [copyNative(t, NODE_COMMAND), "get", "demo"],
    [other, BUILT, "get", "demo"],
  ]) {
    const { code, stdout, stderr } = await run(t, program, words, { env });
    t.is(code, 6, stderr);
    t.is(stdout, "");
  }
});
