/** `authd exec`: where the child finds the token, and how the two live and end together. */
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { startLabelf } from "../../src/sandbox/labelf.ts";
import { start } from "../helpers/child.ts";
import { type Daemon, type Home, MAIN, makeHome, startDaemon } from "../helpers/daemon.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { absent, missing, onLinux, onUnix } from "../helpers/optional.ts";
import { startScriptedDaemon } from "../helpers/scripted-daemon.ts";
import { CTRL_C, onTerminal } from "../helpers/terminal.ts";
import { until } from "../helpers/until.ts";

const TOKEN = "a-fixed-token";

/** A daemon with static credentials, all with one token. */
async function daemonWith(t: ExecutionContext, ...names: readonly string[]): Promise<Daemon> {
  const daemon = await startDaemon(t);
  for (const name of names) {
    const credential = { grant: "static", settings: {}, secrets: { token: TOKEN } };
    const { code, stderr } = await daemon.add(name, { credential });
    t.is(code, 0, stderr);
  }
  return daemon;
}

/** Runs `authd exec ARGS… -- sh -c SCRIPT`. */
const exec = (home: Home, args: readonly string[], script: string, env = {}) =>
  home.cli(["exec", ...args, "--", "sh", "-c", script], { env });

function startExec(t: ExecutionContext, { env }: Pick<Home, "env">, words: readonly string[]) {
  return start(t, process.execPath, [MAIN, "exec", ...words], { env });
}

/** A child that ends when its standard output is closed, or when the test ends it. */
const WAIT = "while printf .; do sleep 0.05; done";

onUnix("exec gives the child each token where it was told to", async (t) => {
  const daemon = await daemonWith(t, "my-api", "2nd", "third");
  const named = await exec(daemon, ["my-api", "2nd"], 'echo "$MY_API_TOKEN $_2ND_TOKEN"');
  t.deepEqual(named, { code: 0, stdout: `${TOKEN} ${TOKEN}\n`, stderr: "" });
  const places = ["--env", "A=my-api", "--env", "B=2nd", "--fd", "3=third", "my-api"];
  const given = await exec(daemon, places, 'echo "$A $B $(cat <&3) ${MY_API_TOKEN-unset}"');
  t.deepEqual(given, { code: 0, stdout: `${TOKEN} ${TOKEN} ${TOKEN} unset\n`, stderr: "" });
  const reopened = await exec(daemon, ["--fd", "7=third"], "cat /dev/fd/7; cat /dev/fd/7");
  t.deepEqual(reopened, { code: 0, stdout: TOKEN + TOKEN, stderr: "" });
});

onLinux("a token file is in memory, for its owner alone, and gone afterwards", async (t) => {
  const daemon = await daemonWith(t, "api");
  const tell = 'stat -f -c %T "$F"; stat -c %a "$F" "$(dirname "$F")"; cat "$F"; echo; echo "$F"';
  const named = await exec(daemon, ["--file", "token=api"], `F=$AUTHD_TOKEN_DIR/token; ${tell}`);
  const [kind, mode, folderMode, token, path] = named.stdout.split("\n");
  t.deepEqual([kind, mode, folderMode, token], ["tmpfs", "600", "700", TOKEN], named.stderr);
  t.false(existsSync(join(path!, "..")));
  const absolute = `/dev/shm/authd test=${process.pid}`;
  const whole = await exec(daemon, ["--file", `${absolute}=api`], `F='${absolute}'; ${tell}`);
  t.deepEqual(whole.stdout.split("\n").slice(3, 5), [TOKEN, absolute], whole.stderr);
  t.false(existsSync(absolute));

  const onDisk = await exec(daemon, ["--file", `${daemon.folder}/x=api`], "echo run");
  const isTmpfs = statSync(daemon.folder).dev === statSync("/dev/shm").dev;
  if (!isTmpfs) t.regex(onDisk.stderr, /is on a disk, not in memory/);
  if (!isTmpfs) t.deepEqual([onDisk.code, onDisk.stdout], [2, ""]);
  writeFileSync(absolute, "somebody's own");
  t.teardown(() => rmSync(absolute));
  const taken = await exec(daemon, ["--file", `${absolute}=api`], "echo run");
  t.deepEqual([taken.code, taken.stdout], [1, ""]);
  t.regex(taken.stderr, /something is there already; it stays/);
  t.is(readFileSync(absolute, "utf8"), "somebody's own");
});

onLinux("a token file is renewed while the child runs, over a restart of the daemon", async (t) => {
  const api = await startLabelf();
  t.teardown(() => api.close());
  const daemon = await startDaemon(t);
  t.is((await daemon.add("labelf", api)).code, 0);
  const path = `/dev/shm/authd-test-${process.pid}`;
  const running = startExec(t, daemon, ["--file", `${path}=labelf`, "--", "sh", "-c", WAIT]);
  await running.says(".");
  const current = async () => (await daemon.cli(["get", "labelf"])).stdout.trim();
  const first = readFileSync(path, "utf8");
  t.is(first, await current());
  t.is((await daemon.cli(["refresh", "labelf"])).code, 0);
  await until(() => readFileSync(path, "utf8") !== first, { message: "another token" });
  t.is(readFileSync(path, "utf8"), await current());

  await daemon.stop();
  await startDaemon(t, { home: daemon });
  t.is((await daemon.cli(["refresh", "labelf"])).code, 0);
  const latest = await current();
  await until(() => readFileSync(path, "utf8") === latest, { message: "the latest token" });
  t.is(statSync(path).mode & 0o777, 0o600);
  running.child.kill("SIGTERM");
  t.is((await running.ended).code, 128 + 15);
  t.false(existsSync(path));
});

onLinux("a token file is renewed before its token ends, without being told", async (t) => {
  let count = 0;
  const socket = await startScriptedDaemon(t, (method) => {
    if (method !== "getToken") return { error: { code: -32601, message: "none" } };
    count++;
    if (count === 2) return { error: { code: 1, message: "no", data: { reason: "too_busy" } } };
    return { result: { accessToken: `token-${count}`, expiresAt: Date.now() + 1_500 } };
  });
  const script = 'until [ "$(cat $AUTHD_TOKEN_DIR/t)" = token-3 ]; do sleep 0.05; done; echo $?';
  const env = { ...makeHome(t).env, AUTHD_SOCKET: socket };
  const words = ["--file", "t=api", "--", "sh", "-c", script];
  const { code, stdout, stderr } = await startExec(t, { env }, words).ended;
  t.deepEqual([code, stdout], [0, "0\n"]);
  t.is(stderr, "authd: api: its file keeps the token that it has: no\n");
});

onUnix("exec ends as its child does", async (t) => {
  const daemon = await daemonWith(t, "api");
  const folder = temporaryFolder(t);
  const plain = join(folder, "plain");
  writeFileSync(plain, "no program");
  for (const [words, code, says] of [
    [["sh", "-c", "exit 42"], 42, /^$/],
    [["sh", "-c", "kill -9 $$"], 137, /^$/],
    [[join(folder, "nothing")], 127, /^authd: .*nothing can't be run: there is no such program\n$/],
    [[plain], 126, /^authd: .*plain can't be run: it may not be executed\n$/],
  ] as const) {
    const ended = await daemon.cli(["exec", "api", "--", ...words]);
    t.is(ended.code, code, words.join(" "));
    t.regex(ended.stderr, says);
  }
});

onUnix("signals are passed on to the child", async (t) => {
  const daemon = await daemonWith(t, "api");
  for (const [signal, name] of [
    ["SIGTERM", "TERM"],
    ["SIGINT", "INT"],
    ["SIGHUP", "HUP"],
    ["SIGUSR1", "USR1"],
  ] as const) {
    const script = `trap 'echo got; exit 5' ${name}; echo ready; ${WAIT}`;
    const running = startExec(t, daemon, ["--fd", "3=api", "--", "sh", "-c", script]);
    await running.says("ready");
    running.child.kill(signal);
    const { code, stdout } = await running.ended;
    t.is(code, 5, signal);
    t.regex(stdout, /got\n$/);
  }
});

onLinux("a terminal's Ctrl-C reaches the child once, and exec waits for it", async (t) => {
  if (absent("script").length > 0) return missing(t, "script (util-linux) is not installed");
  const daemon = await daemonWith(t, "api");
  const script = 'trap "echo got; n=1" INT; echo ready; until [ "$n" ]; do sleep 0.05; done';
  const words = ["exec", "--file", "t=api", "--", "sh", "-c", `${script}; sleep 0.3; exit 5`];
  const terminal = onTerminal(t, daemon, words);
  await terminal.type("ready", CTRL_C);
  const { code, stdout } = await terminal.ended;
  t.is(code, 5);
  t.is(stdout.match(/got/g)?.length, 1, stdout);
});

test("exec says what is wrong, and runs nothing", async (t) => {
  const daemon = await daemonWith(t, "api");
  const child = ["--", process.execPath, "-e", "console.log('run')"];
  for (const [args, code, says] of [
    [["api"], 2, /what to run stands behind --/],
    [["api", "--"], 2, /what to run stands behind --/],
    [child, 2, /name a credential/],
    [["nothing", ...child], 4, /nothing/],
    [["api", "nothing", ...child], 4, /nothing/],
    [["--env", "A", ...child], 2, /--env takes VARIABLE=NAME, not "A"/],
    [["--env", "A-B=api", ...child], 2, /"A-B" is no name of a variable/],
    [["--env", "A=api", "--env", "A=other", ...child], 2, /two tokens for one place/],
    [["a-b", "a.b", ...child], 2, /two tokens for one place: the variable A_B_TOKEN/],
    [["--file", "x/y=api", ...child], 2, /--file takes an absolute path or the name of a file/],
    [["--file", "..=api", ...child], 2, /--file takes an absolute path/],
    [["--file", "=api", ...child], 2, /--file takes PATH=NAME/],
    [["--fd", "2=api", ...child], 2, /--fd takes a number between 3 and 255, not "2"/],
    [["--fd", "1e1=api", ...child], 2, /--fd takes a number/],
  ] as const) {
    const { code: is, stdout, stderr } = await daemon.cli(["exec", ...args]);
    t.deepEqual([is, stdout], [code, ""], args.join(" "));
    t.regex(stderr, says);
  }
  await daemon.stop();
  t.is((await daemon.cli(["exec", "api", ...child])).code, 3);
});
