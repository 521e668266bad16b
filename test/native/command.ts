/** What the native command does as a program: output, terminals, and its place in front of the Node command. */
import { openSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { NAMES, TOOL_NAMES } from "../../src/cli/names.ts";
import { run, start } from "../helpers/child.ts";
import { MAIN, makeHome } from "../helpers/daemon.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { copyNative, NODE_COMMAND } from "../helpers/native.ts";
import { absent, missing, onLinux, onUnix } from "../helpers/optional.ts";
import { writeProgram } from "../helpers/program.ts";
import { startScriptedDaemon } from "../helpers/scripted-daemon.ts";

const NODE = [process.execPath, MAIN];

async function answering(t: ExecutionContext, accessToken: string) {
  const socket = await startScriptedDaemon(t, () => ({ result: { accessToken } }));
  return { ...makeHome(t).env, AUTHD_SOCKET: socket };
}

onUnix("it is replaced by the recorded Node command, with all of its words, once", async (t) => {
  const folder = temporaryFolder(t);
  const main = join(folder, "main.mjs");
  const tell =
    "console.log(JSON.stringify([process.pid, process.argv.slice(2), process.execPath]))";
  writeFileSync(main, `${tell}; process.exitCode = 42;`);
  const native = copyNative(t, [process.execPath, main]);
  const words = ["anything", "", "-x", "é", "two words"];
  // Neither PATH nor a program beside decides what is run.
  writeProgram(join(folder, "node"), "exit 9");
  const { child, ended } = start(t, native, words, { cwd: folder, env: { PATH: folder } });
  const { code, stdout } = await ended;
  t.is(code, 42);
  t.deepEqual(JSON.parse(stdout), [child.pid, words, process.execPath]);
});

onLinux("exec leaves no process between, and hands its other descriptors on", async (t) => {
  const env = await answering(t, "token");
  const script = 'echo $$ "$C_TOKEN" "$1"; cat <&5';
  const native = copyNative(t);
  const bash = 'exec "$@" 5< <(echo other)';
  const words = ["exec", "c", "--fd", "4=c", "--", "sh", "-c", script, "sh", "é"];
  const { child, ended } = start(t, "bash", ["-c", bash, "bash", native, ...words], { env });
  const { code, stdout, stderr } = await ended;
  t.deepEqual([code, stdout], [0, `${child.pid}  é\nother\n`], stderr);
});

onUnix("by another name it has the words that the name stands for", async (t) => {
  const folder = temporaryFolder(t);
  const main = join(folder, "main.mjs");
  writeFileSync(main, "console.log(JSON.stringify(process.argv.slice(2)))");
  const native = copyNative(t, [process.execPath, main]);
  for (const [name, words] of Object.entries({ ...NAMES, ...TOOL_NAMES })) {
    const link = join(folder, name);
    symlinkSync(native, link);
    // Help is the Node command's.
    const { stdout } = await run(t, link, ["--help"]);
    t.deepEqual(JSON.parse(stdout), [...words, "--help"]);
  }
});

onUnix(
  "a record that is not two absolute paths is none, and one that leads nowhere is told",
  async (t) => {
    for (const record of [[], ["node", MAIN], [process.execPath], [process.execPath, "main.js"]]) {
      const { code, stderr } = await run(t, copyNative(t, record), ["list"]);
      t.is(code, 1);
      t.regex(stderr, /does not know where authd's Node command is/);
    }
    const { code, stderr } = await run(t, copyNative(t, ["/nowhere/node", MAIN]), ["list"]);
    t.is(code, 1);
    t.regex(stderr, /^authd: \/nowhere\/node can't be run: /);
  },
);

onUnix(
  "the record is the one beside the program itself, whatever link it is called by",
  async (t) => {
    const native = copyNative(t, NODE_COMMAND);
    const folder = temporaryFolder(t);
    symlinkSync(native, join(folder, "authd"));
    writeFileSync(join(folder, "node-command"), "/nowhere/node\n/nowhere/main.js\n");
    const { code, stdout } = await run(t, join(folder, "authd"), ["--version"]);
    t.is(code, 0);
    t.regex(stdout, /^\d+\.\d+\.\d+\n$/);
  },
);

onUnix("a reader that has left is no failure, a full disk is one", async (t) => {
  const env = await answering(t, "x".repeat(200_000));
  for (const [command = "", ...words] of [NODE, [copyNative(t)]]) {
    const script = '"$@" get c | true; echo ${PIPESTATUS[0]}';
    const left = await run(t, "bash", ["-c", script, "bash", command, ...words], { env });
    t.deepEqual([left.stdout, left.stderr], ["0\n", ""]);
    if (process.platform !== "linux") continue;
    const full = openSync("/dev/full", "w");
    const stdio = ["ignore", full, "pipe"] as const;
    const failed = await run(t, command, [...words, "get", "c"], { env, stdio: [...stdio] });
    t.is(failed.code, 1);
    t.is(failed.stderr, "authd: standard output can't be written to (ENOSPC)\n");
  }
});

onUnix("it runs without standard streams", async (t) => {
  const env = await answering(t, "token");
  for (const [command = "", ...words] of [NODE, [copyNative(t)]]) {
    for (const closed of ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"]) {
      const script = `"$@" ${closed}; echo $?`;
      const args = ["-c", script, "sh", command, ...words, "get", "c"];
      const { stdout } = await run(t, "sh", args, { env });
      t.is(stdout, `${closed.includes(">&- ") || closed === ">&-" ? "" : "token\n"}0\n`, closed);
    }
  }
});

onLinux("a terminal is told that a person is waited for", async (t) => {
  if (absent("script").length > 0) return missing(t, "script (util-linux) is not installed");
  const env = await (async () => {
    let release: (answer: object) => void = () => {};
    const socket = await startScriptedDaemon(t, (method) => {
      if (method === "approvals/pending") {
        // The token comes after the notice.
        setTimeout(() => release({ result: { accessToken: "token" } }), 500);
        const approvals = [
          { id: "1", credential: "other" },
          { id: "7", credential: "c" },
        ];
        return { result: { approvals } };
      }
      return new Promise<object>((resolve) => {
        release = resolve;
      });
    });
    return { ...makeHome(t).env, AUTHD_SOCKET: socket, TERM: "xterm", SHELL: "/bin/sh" };
  })();
  for (const command of [NODE, [copyNative(t)]]) {
    const line = [...command, "get", "c"].map((word) => `'${word}'`).join(" ");
    const { code, stdout } = await run(t, "script", ["-qefc", line, "/dev/null"], { env });
    t.is(code, 0);
    t.is(
      stdout,
      "authd: c: waiting for a person to approve (in another terminal: authd approve 7)\r\ntoken\r\n",
    );
  }
});
