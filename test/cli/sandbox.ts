import { mkdirSync, readdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import test, { type ExecutionContext } from "ava";
import { run, start } from "../helpers/child.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { until } from "../helpers/until.ts";

const MAIN = fileURLToPath(new URL("../../src/main.js", import.meta.url));

/** An environment in which everything that the sandbox makes is made in one empty folder. */
function surroundings(t: ExecutionContext) {
  const folder = temporaryFolder(t);
  const env: NodeJS.ProcessEnv = { ...process.env, TMPDIR: folder, NO_COLOR: "1" };
  delete env.FORCE_COLOR;
  return { env, leftovers: () => readdirSync(folder) };
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** One call in the line framing, as a program in any language would make it. */
async function call(socket: string, method: string, params: object): Promise<unknown> {
  const connection = connect(socket);
  connection.end(`${JSON.stringify({ jsonrpc: "2.0", id: 1, method, params })}\n`);
  return (JSON.parse(await text(connection)) as { result?: unknown }).result;
}

test("sandbox --once takes every step, tells of it, and leaves nothing behind", async (t) => {
  const { env, leftovers } = surroundings(t);
  const { code, stdout, stderr } = await run(t, process.execPath, [MAIN, "sandbox", "--once"], {
    env,
  });
  t.is(code, 0, stdout + stderr);
  t.is(stdout.match(/✓/g)?.length, 11, stdout);
  t.notRegex(stdout, /✗/);
  t.deepEqual(leftovers(), []);
});

test("sandbox --once --json tells of its steps in one line", async (t) => {
  const { env, leftovers } = surroundings(t);
  const { code, stdout } = await run(t, process.execPath, [MAIN, "sandbox", "--once", "--json"], {
    env,
  });
  const { ok, steps } = JSON.parse(stdout) as { ok: boolean; steps: { ok: boolean }[] };
  t.is(code, 0, stdout);
  t.true(ok);
  t.is(steps.filter((step) => step.ok).length, 11);
  t.deepEqual(leftovers(), []);
});

test("sandbox --json says where everything is; a signal puts it all away", async (t) => {
  const { env, leftovers } = surroundings(t);
  const sandbox = start(t, process.execPath, [MAIN, "sandbox", "--json"], { env });
  const { socket, pid, credentials, apis } = JSON.parse(await sandbox.says("\n")) as {
    socket: string;
    pid: number;
    credentials: string[];
    apis: { name: string; url: string; example: { method: string; url: string } }[];
  };
  t.deepEqual(credentials, ["labelf", "onestepai", "zebbra", "realtyna"]);
  for (const { name, example } of apis) {
    const json = { headers: { "content-type": "application/json" } };
    const params = { credential: name, ...json, ...example };
    const answer = (await call(socket, "authorizedRequest", params)) as { status: number };
    t.is(answer.status, 200, name);
  }
  t.true(isRunning(pid));
  sandbox.child.kill("SIGINT");
  t.is((await sandbox.ended).code, 0);
  t.false(isRunning(pid));
  t.deepEqual(leftovers(), []);
});

test("what sandbox says to type in another terminal works there", async (t) => {
  const { env, leftovers } = surroundings(t);
  const sandbox = start(t, process.execPath, [MAIN, "sandbox"], { env });
  const welcome = await sandbox.says("Ctrl-C");
  const typed = /another terminal:\n\n(.*)\n\n {2}Ctrl-C/s
    .exec(welcome)![1]!
    .replaceAll(/^ +/gm, "");
  const script = typed.replace("status --watch", "status --json");
  const { code, stdout, stderr } = await run(t, "sh", ["-ec", `eval "$SCRIPT"`], {
    env: { ...env, SCRIPT: script },
  });
  t.is(code, 0, script + stderr);
  t.regex(stdout, /practice-labelf-/);
  t.regex(stdout, /"negative"/);
  sandbox.child.kill("SIGTERM");
  t.is((await sandbox.ended).code, 0);
  t.deepEqual(leftovers(), []);
});

test("Ctrl-C, which a terminal sends to a whole process group, leaves nothing behind", async (t) => {
  const { env, leftovers } = surroundings(t);
  const options = { env, detached: true };
  const sandbox = start(t, process.execPath, [MAIN, "sandbox"], options);
  await sandbox.says("Ctrl-C");
  process.kill(-sandbox.child.pid!, "SIGINT");
  const { code, stderr } = await sandbox.ended;
  t.is(code, 0, stderr);
  t.deepEqual(leftovers(), []);
});

test("a sandbox that is stopped while it starts leaves nothing behind", async (t) => {
  const { env, leftovers } = surroundings(t);
  const sandbox = start(t, process.execPath, [MAIN, "sandbox"], { env });
  await until(() => leftovers().length !== 0);
  sandbox.child.kill("SIGTERM");
  t.is((await sandbox.ended).code, 1);
  t.deepEqual(leftovers(), []);
});

test("a sandbox whose daemon can't start says why and leaves nothing behind", async (t) => {
  const { env, leftovers } = surroundings(t);
  // Too long for a socket's path.
  env.TMPDIR = join(env.TMPDIR!, "x".repeat(100));
  mkdirSync(env.TMPDIR);
  const { code, stderr } = await run(t, process.execPath, [MAIN, "sandbox", "--once"], { env });
  t.is(code, 1);
  t.regex(stderr, /daemon ended at once.*107/s);
  t.is(leftovers().length, 1);
  t.deepEqual(readdirSync(env.TMPDIR), []);
});

test("a sandbox whose reader has left ends and leaves nothing behind", async (t) => {
  const { env, leftovers } = surroundings(t);
  const sandbox = start(t, process.execPath, [MAIN, "sandbox"], { env });
  const socket = /AUTHD_SOCKET=(\S+)/.exec(await sandbox.says("Ctrl-C"))![1]!;
  sandbox.child.stdout!.destroy();
  // The next line that it prints, about this renewal, finds nobody.
  await call(socket, "credentials/refresh", { credential: "zebbra" }).catch(() => {});
  await sandbox.ended;
  t.deepEqual(leftovers(), []);
});
