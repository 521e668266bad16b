/** The client for shells, with dash and bash: as docs/clients.md has it, and its errors. */
import { chownSync, copyFileSync, mkdirSync, mkdtempSync, renameSync, symlinkSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { removeFolder } from "../../src/base/remove-folder.ts";
import { EXIT, EXIT_CODE } from "../../src/cli/exit-code.ts";
import { run } from "../helpers/child.ts";
import { startSandbox } from "../helpers/conformance/sandbox.ts";
import { type Home, startDaemon } from "../helpers/daemon.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { readDocument } from "../helpers/markdown.ts";
import { absent, asRoot, missing } from "../helpers/optional.ts";
import { startScriptedDaemon } from "../helpers/scripted-daemon.ts";
import { ROOT } from "../helpers/sources.ts";

const CLIENT = join(ROOT, "clients/shell/authd.sh");
const SHELLS = ["dash", "bash"] as const;

/** Runs a script behind the client's, with words as its arguments. */
function shellOf(t: ExecutionContext, shell: string, env: NodeJS.ProcessEnv) {
  return (script: string, ...words: readonly string[]) =>
    run(t, shell, ["-c", `. "$0"; ${script}`, CLIENT, ...words], {
      env: { PATH: process.env.PATH, ...env },
    });
}

for (const shell of SHELLS) {
  const define = (title: string, work: (t: ExecutionContext) => Promise<unknown>) =>
    test(`${shell}: ${title}`, async (t) => {
      const lacking = absent(shell, "jq", "nc");
      if (lacking.length > 0) return missing(t, `not installed: ${lacking.join(", ")}`);
      return await work(t);
    });

  define("the example of the document runs", async (t) => {
    const { socket, values } = await startSandbox(t);
    const folder = temporaryFolder(t);
    copyFileSync(CLIENT, join(folder, "authd.sh"));
    const [example = ""] = readDocument("docs/clients.md").section("Shell").blocks("sh");
    const script = `${example.replace("https://api.app.labelf.ai", values.labelf!)}[ -n "$token" ]`;
    const env = { PATH: process.env.PATH, AUTHD_SOCKET: socket };
    const { code, stdout, stderr } = await run(t, shell, ["-c", script], { cwd: folder, env });
    t.is(code, 0, stderr);
    t.regex(stdout, /Guest reviews/);
  });

  define("names are told as they are, and each reason has its exit code", async (t) => {
    const asked: unknown[] = [];
    const reasons = Object.keys(EXIT_CODE).filter((reason) => reason !== "no_daemon");
    const socket = await startScriptedDaemon(t, (_, params) => {
      const { credential } = params as { credential: string };
      asked.push(credential);
      if (credential === "none") return { result: null };
      if (credential === "ends") return undefined;
      if (credential === "odd") return "no JSON";
      const error = { code: -32000, message: "It\u0007 is\nso.", data: { reason: credential } };
      const result = { accessToken: 'a "token" \\n', tokenType: "Bearer" };
      return reasons.includes(credential) ? { error } : { result };
    });
    const sh = shellOf(t, shell, { AUTHD_SOCKET: socket });
    const names = ["plain", 'a"b\\c', "$(id) `id` 'x'", "two\nlines", "-n", "%s", "*", "ü", ""];
    for (const name of names) {
      const { code, stdout, stderr } = await sh('authd_token "$1"', name);
      t.deepEqual([code, stdout], [0, 'a "token" \\n\n'], `${name}: ${stderr}`);
    }
    t.deepEqual(asked.splice(0), names);
    for (const reason of reasons) {
      const said = await sh('authd_token "$1"', reason);
      const code = EXIT_CODE[reason as keyof typeof EXIT_CODE];
      t.like(said, { code, stdout: "", stderr: "authd: It is\nso.\n" }, reason);
    }
    const call = "authd_call getToken";
    t.like(await sh(`${call} '{"credential":"none"}'`), { code: 0, stdout: "null\n" });
    t.is((await sh(`${call} '{"credential":"ends"}'`)).code, EXIT.failed);
    t.is((await sh(`${call} '{"credential":"odd"}'`)).code, EXIT.failed);
    asked.splice(0);
    t.is((await sh(`${call} 'no JSON'`)).code, EXIT.usage);
    t.deepEqual(asked, []);
  });

  define("a caller's IFS and strictness change nothing", async (t) => {
    const socket = await startScriptedDaemon(t, () => ({ result: { accessToken: "x" } }));
    const sh = shellOf(t, shell, { AUTHD_SOCKET: socket });
    for (const ifs of ["\n\t", ",", "", "0123456789"]) {
      const said = await sh("IFS=$1; set -eu; authd_token a", ifs);
      t.deepEqual([said.code, said.stdout], [0, "x\n"], JSON.stringify(ifs) + said.stderr);
    }
  });

  define("without a daemon it says so", async (t) => {
    const folder = temporaryFolder(t);
    const path = join(folder, "authd.sock");
    const sh = shellOf(t, shell, { AUTHD_SOCKET: path, HOME: folder });
    const none = await sh("authd_token x");
    t.like(none, { code: EXIT.noDaemon, stdout: "" });
    t.regex(none.stderr, /^authd: no daemon answers on .*authd serve/);
    // A socket that nobody listens on any more.
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(`${path}.old`, resolve));
    renameSync(`${path}.old`, path);
    await new Promise((resolve) => server.close(resolve));
    t.is((await sh("authd_token x")).code, EXIT.noDaemon);
  });

  define("it finds the socket where no variable tells", async (t) => {
    const state = join(temporaryFolder(t), "state");
    const env = { AUTHD_SOCKET: "", XDG_RUNTIME_DIR: "", XDG_STATE_HOME: state };
    const own = join(state, "authd");
    const daemon = await startDaemon(t, { env: { ...env, AUTHD_STATE_DIR: own } });
    await addStatic(t, { ...daemon, env: { ...daemon.env, ...env, AUTHD_STATE_DIR: own } });
    const places: NodeJS.ProcessEnv[] = [
      env,
      { AUTHD_STATE_DIR: own, XDG_RUNTIME_DIR: "relative" },
    ];
    const runtime = join(temporaryFolder(t), "authd");
    mkdirSync(runtime);
    symlinkSync(join(own, "authd.sock"), join(runtime, "authd.sock"));
    places.push({ XDG_RUNTIME_DIR: join(runtime, "..") });
    for (const place of places) {
      const { code, stdout, stderr } = await shellOf(t, shell, { HOME: "/nowhere", ...place })(
        "authd_token mine",
      );
      t.deepEqual([code, stdout], [0, "practice-token\n"], stderr);
    }
  });
}

asRoot("a socket of another user is refused, unless root has put it there", async (t) => {
  const lacking = absent("dash", "jq", "nc");
  if (lacking.length > 0) return missing(t, `not installed: ${lacking.join(", ")}`);
  const asked: string[] = [];
  const socket = await startScriptedDaemon(t, (method) => {
    asked.push(method);
    return { result: { accessToken: "x" } };
  });
  chownSync(socket, 4711, 0);
  const refused = await shellOf(t, "dash", { AUTHD_SOCKET: socket })("authd_token x");
  t.like(refused, { code: EXIT.noDaemon, stdout: "" });
  t.regex(refused.stderr, /belongs to user 4711, not to you: nothing was sent/);
  t.deepEqual(asked, []);
  const folder = mkdtempSync("/run/authd-test-");
  t.teardown(() => removeFolder(folder));
  chownSync(folder, 4711, 0);
  const answer = '{"jsonrpc":"2.0","id":1,"result":{"accessToken":"x"}}\n';
  const server = createServer((connection) =>
    connection.once("data", () => connection.end(answer)),
  );
  t.teardown(() => server.close());
  const moved = join(folder, "authd.sock");
  await new Promise<void>((resolve) => server.listen(moved, resolve));
  chownSync(moved, 4711, 0);
  const taken = await shellOf(t, "dash", { AUTHD_SOCKET: moved })("authd_token x");
  return t.deepEqual([taken.code, taken.stdout], [0, "x\n"], taken.stderr);
});

async function addStatic(t: ExecutionContext, { add }: Home): Promise<void> {
  const secrets = { token: "practice-token" };
  const { code, stderr } = await add("mine", {
    credential: { grant: "static", settings: {}, secrets },
  });
  t.is(code, 0, stderr);
}
