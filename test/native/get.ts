/** `authd get`, native and Node's, with the same words, answers and exit codes: cases.json is run against both. */
import {
  chmodSync,
  mkdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import net from "node:net";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { startLabelf } from "../../src/sandbox/labelf.ts";
import { as, give, STRANGER } from "../helpers/another-user.ts";
import { run } from "../helpers/child.ts";
import { type Daemon, MAIN, makeHome, type Said, startDaemon } from "../helpers/daemon.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { copyNative, NODE_COMMAND, runBoth } from "../helpers/native.ts";
import { asRoot, missing } from "../helpers/optional.ts";
import { startScriptedDaemon } from "../helpers/scripted-daemon.ts";
import { ROOT } from "../helpers/sources.ts";

interface Case {
  args?: string[];
  env?: NodeJS.ProcessEnv;
  code: number;
  /** A regular expression for stdout and stderr together. */
  says?: string;
}

interface AnswerCase extends Case {
  error?: object;
  result?: object;
  line?: string;
  ends?: boolean;
}

interface Cases {
  usual: Case[];
  handedOver: Case[];
  answers: AnswerCase[];
  places: (Case & { place: string; as?: number })[];
}

const cases: Cases = JSON.parse(readFileSync(join(ROOT, "test/native/cases.json"), "utf8"));

function same(
  t: ExecutionContext,
  byNode: Said,
  byNative: Said,
  { code, says }: Case,
  title: string,
) {
  const steady = (said: Said) => ({
    ...said,
    stderr: said.stderr.replace(/good for \d+ s/, "good for N s"),
    // Of `status --json`: moments are told to the millisecond, counted anew for each call.
    stdout: said.stdout.replace(/"\w+At": \d{13}/g, '"At": N'),
  });
  t.deepEqual(steady(byNative), steady(byNode), title);
  t.is(byNode.code, code, `${title}: ${byNode.stderr}`);
  t.regex(byNode.stdout + byNode.stderr, new RegExp(says ?? "", "s"), title);
}

/** A daemon with a credential for each kind of answer. */
async function startFull(t: ExecutionContext): Promise<Daemon> {
  const api = await startLabelf({ tokenLifetime: 3600 });
  t.teardown(() => api.close());
  const daemon = await startDaemon(t);
  const addFixed = async (name: string, settings: readonly string[]) => {
    const words = ["origins=https://api.example.com", ...settings].flatMap((each) => [
      "--set",
      each,
    ]);
    const input = JSON.stringify({ token: "a-fixed-token" });
    const args = ["add", name, "--grant", "static", ...words, "--secrets-from", "-"];
    const { code, stderr } = await daemon.cli(args, { input });
    t.is(code, 0, stderr);
  };
  await addFixed("fixed", ["headers.x-api-key={token}", "headers.x-tenant=7"]);
  await addFixed("query", ["query.api_key={token}", "query.secret={token}"]);
  await addFixed("body", ["body.token={token}"]);
  await addFixed("hidden", ["expose=request"]);
  t.is((await daemon.add("short", api)).code, 0);
  const { settings } = api.credential;
  const wrong = {
    credential: { ...api.credential, settings: { ...settings, client_id: "wrong" } },
  };
  t.is((await daemon.add("refused", wrong)).code, 5);
  return daemon;
}

test("a real daemon's answers", async (t) => {
  const daemon = await startFull(t);
  // Without a record of the Node command this one can hand nothing over.
  const native = copyNative(t);
  for (const one of cases.usual) {
    const { args = [], env } = one;
    const { byNode, byNative } = await runBoth(t, native, args, { ...daemon.env, ...env });
    same(t, byNode, byNative, one, args.join(" "));
  }
});

test("what is unusual goes to the Node command", async (t) => {
  const daemon = await startFull(t);
  const native = copyNative(t, NODE_COMMAND);
  const alone = copyNative(t);
  for (const one of cases.handedOver) {
    const { args = [], env: more } = one;
    const env = { ...daemon.env, ...more };
    const { byNode, byNative } = await runBoth(t, native, args, env);
    same(t, byNode, byNative, one, args.join(" "));
    const { code, stderr } = await run(t, alone, args, { env });
    t.is(code, 1, args.join(" "));
    t.regex(stderr, /does not know where authd's Node command is.*Next: .*authd service install/s);
  }
});

test("every kind of answer", async (t) => {
  const native = copyNative(t);
  for (const one of cases.answers) {
    const { error, result, line, ends, args = ["get", "c"] } = one;
    const answer = ends ? undefined : (line ?? (error ? { error } : { result }));
    const socket = await startScriptedDaemon(t, () => answer);
    const env = { ...makeHome(t).env, AUTHD_SOCKET: socket, ...one.env };
    const { byNode, byNative } = await runBoth(t, native, args, env);
    same(t, byNode, byNative, one, JSON.stringify(answer));
  }
});

test("the parameters that the daemon gets", async (t) => {
  const native = copyNative(t);
  const seen: unknown[] = [];
  const socket = await startScriptedDaemon(t, (method, params) => {
    seen.push({ method, params });
    return { result: { accessToken: "t" } };
  });
  const env = { ...makeHome(t).env, AUTHD_SOCKET: socket };
  for (const words of [
    [],
    ["--refresh"],
    ["--min-validity", "0.5", "--timeout", "0.0015", "--scope=b a", "--audience", ""],
    ["--min-validity", "600", "--timeout=86400", "--scope", 'é="\\', "--audience=x"],
  ]) {
    await runBoth(t, native, ["get", "c", ...words], env);
    t.is(seen.length, 2, words.join(" "));
    const [byNode, byNative] = seen.splice(0);
    t.deepEqual(byNative, byNode);
  }
});

test("places without a daemon", async (t) => {
  const native = copyNative(t);
  for (const one of cases.places.filter(
    ({ place }) => place !== "foreign" && place !== "closedFolder",
  )) {
    const { folder, env } = await place(t, one.place);
    const options = { cwd: folder, env };
    const byNode = await run(t, process.execPath, [MAIN, "get", "c"], options);
    same(t, byNode, await run(t, native, ["get", "c"], options), one, one.place);
  }
});

/** Makes a folder with what a socket's path can lead to instead of a daemon. */
async function place(t: ExecutionContext, name: string) {
  const { folder, env } = makeHome(t);
  const { AUTHD_SOCKET: _socket, AUTHD_STATE_DIR: stateDir, ...less } = env;
  writeFileSync(join(folder, "file"), "");
  symlinkSync("loop", join(folder, "loop"));
  if (name === "dead") await leaveDeadSocket(join(folder, "dead"));
  const places: Record<string, NodeJS.ProcessEnv> = {
    missing: env,
    file: { ...env, AUTHD_SOCKET: join(folder, "file") },
    belowFile: { ...env, AUTHD_SOCKET: join(folder, "file/x") },
    loop: { ...env, AUTHD_SOCKET: join(folder, "loop") },
    dead: { ...env, AUTHD_SOCKET: join(folder, "dead") },
    relative: { ...env, AUTHD_SOCKET: "./not/..//there/authd.sock" },
    runtime: { ...less, XDG_RUNTIME_DIR: `${folder}//run-time/`, AUTHD_STATE_DIR: stateDir },
    state: { ...less, AUTHD_STATE_DIR: stateDir, XDG_RUNTIME_DIR: "" },
    xdgState: { ...less, XDG_STATE_HOME: join(folder, "xdg") },
    home: { ...less, XDG_STATE_HOME: "not/absolute" },
  };
  return { folder, env: places[name] };
}

/** Leaves the socket of a daemon that was killed. */
async function leaveDeadSocket(path: string): Promise<void> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(`${path}.bound`, resolve));
  renameSync(`${path}.bound`, path);
  await new Promise((resolve) => server.close(resolve));
}

asRoot("a service's socket in /run/user, if it is newer", async (t) => {
  const home = makeHome(t);
  // A mount namespace of its own: the machine's /run/user stays as it is.
  const script = [
    "mount -t tmpfs none /run/user && mkdir -m 700 /run/user/0",
    // One that is killed leaves its socket in the state folder.
    '"$1" "$2" serve & until [ -S "$AUTHD_STATE_DIR/authd.sock" ]; do sleep 0.1; done',
    "kill -9 $!; wait; [ -S $AUTHD_STATE_DIR/authd.sock ] || exit 9",
    '"$3" get c; echo $?',
    'XDG_RUNTIME_DIR=/run/user/0 "$1" "$2" serve &',
    "trap 'kill $!; wait' EXIT",
    "until [ -S /run/user/0/authd/authd.sock ]; do sleep 0.1; done",
    '"$1" "$2" get c; echo $?; "$3" get c; echo $?',
  ].join("\n");
  const { AUTHD_SOCKET: _, ...env } = home.env;
  const args = ["-m", "bash", "-c", script, "bash", process.execPath, MAIN, copyNative(t)];
  const { code, stdout, stderr } = await run(t, "unshare", args, { env });
  if (/unshare failed|permission denied/.test(stderr)) {
    return missing(t, `no mount namespace can be made here: ${stderr}`);
  }
  t.is(code, 0, stderr);
  t.deepEqual(stdout.match(/^\d+$/gm), ["3", "4", "4"], stderr);
});

asRoot("sockets of other users", async (t) => {
  const native = copyNative(t);
  const socket = await startScriptedDaemon(t, () => ({ result: { accessToken: "stolen" } }));
  const env = { ...makeHome(t).env, AUTHD_SOCKET: socket };
  const [foreign, closed] = ["foreign", "closedFolder"].map(
    (name) => cases.places.find(({ place }) => place === name)!,
  );
  // The folder is root's and closed: another user does not even get to the socket.
  const stranger = [...as(STRANGER)];
  const open = temporaryFolder(t);
  chmodSync(open, 0o755);
  mkdirSync(join(open, "bin"));
  const readable = join(open, "bin/authd");
  writeFileSync(readable, readFileSync(native), { mode: 0o755 });
  const asStranger = (words: readonly string[]) =>
    run(t, stranger[0]!, [...stranger.slice(1), ...words, "get", "c"], { env });
  const byNode = await asStranger([process.execPath, MAIN]);
  same(t, byNode, await asStranger([readable]), closed!, "closed folder");

  give(socket, STRANGER);
  const { byNode: node, byNative } = await runBoth(t, native, ["get", "c"], env);
  same(t, node, byNative, foreign!, "foreign");
});
