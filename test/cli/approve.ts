import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { connect } from "../../src/client.ts";
import type { PendingApproval } from "../../src/protocol.ts";
import { type Running, start } from "../helpers/child.ts";
import { type Daemon, type DaemonOptions, MAIN, startDaemon } from "../helpers/daemon.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { onLinux } from "../helpers/optional.ts";
import { ownProgram } from "../helpers/own-program.ts";
import { notedRuns, noteVariables, writeProgram } from "../helpers/program.ts";
import { CTRL_C, ENTER, inOwnTerminal, onOwnTerminal, onTerminal } from "../helpers/terminal.ts";
import { until } from "../helpers/until.ts";

const TOKEN = "token-of-the-test";
const DOWN = "\x1b[B";

/** A daemon whose credential `demo` asks a person first. */
async function guarded(t: ExecutionContext, options: DaemonOptions = {}) {
  const daemon = await startDaemon(t, options);
  const args = ["add", "demo", "--grant", "static", "--set", "confirm=first"];
  const added = await daemon.cli([...args, "--secrets-from", "-"], {
    input: JSON.stringify({ token: TOKEN }),
  });
  t.is(added.code, 0, added.stderr);
  return daemon;
}

const quoted = (words: readonly string[]) => words.map((word) => `'${word}'`).join(" ");

/** `authd ARGS…` in a shell of its own: that shell is who asks, or who answers. */
function inShell(t: ExecutionContext, { env }: Daemon, args: readonly string[]): Running {
  const command = `${quoted([process.execPath, MAIN, ...args])}; exit $?`;
  return start(t, "bash", ["-c", command], { env });
}

/** The questions that are open, when there are so many, the first asked so often. */
async function pending(daemon: Daemon, count = 1, requests = 1): Promise<PendingApproval[]> {
  const client = connect({ socket: daemon.socket });
  let approvals: PendingApproval[] = [];
  await until(async () => {
    ({ approvals } = await client.request("approvals/pending", {}));
    return approvals.length === count && approvals[0]?.count === requests;
  });
  client.close();
  return approvals;
}

/** A person's answer to the one question that is open, from a terminal of its own. */
async function answer(t: ExecutionContext, daemon: Daemon, ...args: readonly string[]) {
  const client = connect({ socket: daemon.socket });
  const { approvals } = await client.request("approvals/pending", {});
  client.close();
  return await inOwnTerminal(t, daemon, ["approve", `${approvals[0]?.id}`, ...args]);
}

onLinux("a person sees who asks, and says yes in another terminal", async (t) => {
  const daemon = await guarded(t);
  const asker = inShell(t, daemon, ["get", "demo"]);
  const [question] = await pending(daemon);
  t.like(question, { credential: "demo", kind: "token", what: "its token", rule: "default" });
  t.deepEqual(question?.choices, ["once", "process"]);
  const terminal = onOwnTerminal(t, daemon, ["approve"]);
  await terminal.type("Allow it (1)?", ENTER);
  const { code, stdout } = await terminal.ended;
  t.is(code, 0, stdout);
  t.regex(stdout, /bash.* \(process \d+\) asks demo for its token/);
  t.regex(stdout, /started by: .*\(\d+\)/);
  t.regex(stdout, /demo: yes, this once\./);
  t.like(await asker.ended, { code: 0, stdout: `${TOKEN}\n` });
});

onLinux("who asks on a terminal hears that a person is waited for", async (t) => {
  const daemon = await guarded(t);
  const asker = onTerminal(t, daemon, ["get", "demo"]);
  await asker.says("demo: waiting for a person to approve (in another terminal: authd approve 1)");
  t.like(await answer(t, daemon, "--once"), { code: 0, stdout: "demo: yes, this once.\n" });
  const { code, stdout } = await asker.ended;
  t.is(code, 0);
  t.true(stdout.includes(TOKEN));
});

const HUNDRED = `
const socket = require("node:net").connect(process.argv[1]);
for (let id = 0; id < 100; id++) {
  socket.write(JSON.stringify({ jsonrpc: "2.0", id, method: "getToken", params: { credential: "demo" } }) + "\\n");
}
let text = "";
socket.on("data", (data) => {
  text += data;
  const lines = text.split("\\n").length - 1;
  if (lines === 100) { console.log(text.split("${TOKEN}").length > 100 ? "all" : text); process.exit(); }
});
`;

onLinux("a hundred requests make one question; who asks can't answer it", async (t) => {
  const daemon = await guarded(t);
  const asker = start(t, process.execPath, ["-e", HUNDRED, daemon.socket], { env: daemon.env });
  await pending(daemon, 1, 100);
  // This test's process has started the asker.
  const own = await daemon.cli(["approve", "1", "--process"]);
  t.like(own, { code: 6, stdout: "" });
  t.regex(own.stderr, /Who asks can't answer/);
  const hour = await answer(t, daemon, "--hour");
  t.is(hour.code, 2, "node runs whatever it is told to");
  t.regex(hour.stderr, /can be answered with once, process, no/);
  t.is((await answer(t, daemon, "--process")).code, 0);
  t.is((await asker.ended).stdout, "all\n");
});

onLinux("a no is exit code 6, and names who asked", async (t) => {
  const daemon = await guarded(t);
  const { code, stderr } = await daemon.cli(["request", "demo", "http://127.0.0.1:9/x"]);
  t.is(code, 6, "no origin: refused before anybody is asked");
  t.regex(stderr, /origin/);
  const get = inShell(t, daemon, ["get", "demo"]);
  await pending(daemon);
  t.is((await daemon.cli(["approve", "--deny"])).code, 0, "anybody may say no");
  const refused = await get.ended;
  t.is(refused.code, 6);
  t.regex(refused.stderr, /bash.* \(process \d+\) asked for its token, and a person said no/);
});

onLinux("always writes the rule: that program is not asked again, all others are", async (t) => {
  const daemon = await guarded(t);
  const backup = join(temporaryFolder(t), "backup");
  if (!ownProgram(t, backup)) return;
  const words = [process.execPath, MAIN, "get", "demo"];
  const ask = () => start(t, backup, words, { env: daemon.env });
  const file = join(daemon.configDir, "credentials", "demo.toml");
  const before = readFileSync(file, "utf8");
  const first = ask();
  const [question] = await pending(daemon);
  t.deepEqual(question?.choices, ["once", "process", "hour", "always"]);
  const answered = await answer(t, daemon, "--always");
  t.is(answered.code, 0, answered.stderr);
  t.like(await first.ended, { code: 0, stdout: `${TOKEN}\n` });
  const after = readFileSync(file, "utf8");
  t.true(after.startsWith(before));
  t.true(after.includes(`executable = "${question?.program.split(" (")[0]}"`), after);
  t.like(await ask().ended, { code: 0, stdout: `${TOKEN}\n` });
  const other = inShell(t, daemon, ["get", "demo"]);
  t.like((await pending(daemon))[0], { rule: "everybody else" });
  await daemon.cli(["approve", "--deny"]);
  t.is((await other.ended).code, 6);
  await daemon.stop();
  await startDaemon(t, { home: daemon });
  t.like(await ask().ended, { code: 0, stdout: `${TOKEN}\n` });
});

onLinux("what would open a guarded credential asks a person, too", async (t) => {
  const daemon = await guarded(t);
  const file = join(daemon.configDir, "credentials", "demo.toml");
  const guardedFile = readFileSync(file, "utf8");
  const replace = ["add", "demo", "--grant", "static", "--replace", "--secrets-from"];
  const secrets = join(daemon.folder, "secrets.json");
  writeFileSync(secrets, '{"token":"another"}', { mode: 0o600 });
  const passphrase = join(daemon.folder, "passphrase");
  writeFileSync(passphrase, "correct horse\n", { mode: 0o600 });
  const out = join(daemon.folder, "out");
  const tries: [string, string[]][] = [
    ["credentials/set confirm", ["set", "demo", "--set", "confirm=always"]],
    [
      "credentials/set origins=https://elsewhere.example",
      ["set", "demo", "--set", "origins=https://elsewhere.example"],
    ],
    ["credentials/add", [...replace, secrets]],
    ["credentials/remove", ["remove", "demo", "--yes"]],
    ["vault/export", ["vault", "export", out, "--passphrase-from", passphrase]],
    ["credentials/trust confirm", ["trust", "demo", "--yes"]],
  ];
  for (const [what, args] of tries) {
    // The way around: take the rule out of the file, and accept that.
    if (what.startsWith("credentials/trust")) writeFileSync(file, 'grant = "static"\n');
    const asker = inShell(t, daemon, args);
    const [question] = await pending(daemon);
    t.like(question, { kind: "change", what, credential: "demo", choices: ["once"] }, what);
    t.is((await daemon.cli(["approve", "--deny"])).code, 0);
    t.is((await asker.ended).code, 6, what);
  }
  t.false(existsSync(out));
  await daemon.cli(["reload"]);
  t.is((await daemon.cli(["get", "demo"])).code, 5, "edited, and not trusted");
  writeFileSync(file, guardedFile);
  await daemon.cli(["reload"]);
  const set = inShell(t, daemon, ["set", "demo", "--set", "confirm=always"]);
  await pending(daemon);
  t.is((await answer(t, daemon, "--once")).code, 0);
  t.is((await set.ended).code, 0);
  t.regex(readFileSync(file, "utf8"), /confirm = "always"/);
});

onLinux("a question shows where secrets go by what really changes", async (t) => {
  const daemon = await guarded(t);
  const credential = {
    settings: {
      ...{ origins: ["https://api.example"], confirm: "always" },
      ...{ "request.url": "http://127.0.0.1:{port}/login", fields: { port: "9" } },
      ...{ "request.form": { p: "{secret.password}" }, "response.token": "/token" },
      secrets: ["password"],
    },
    secrets: { password: "of-the-test" },
  };
  const client = connect({ socket: daemon.socket });
  t.teardown(() => client.close());
  // Its issuer is away: the credential is there all the same.
  await client
    .request("credentials/add", { name: "mine", grant: "exchange", ...credential })
    .catch(() => {});
  const asks = async (args: string[]) => {
    const asker = inShell(t, daemon, args);
    const [question] = await pending(daemon);
    t.is((await daemon.cli(["approve", "--deny"])).code, 0);
    t.is((await asker.ended).code, 6);
    return question?.what;
  };
  t.is(await asks(["set", "mine", "--set", "fields.port=8"]), "credentials/set fields.port=8");
  const file = join(daemon.configDir, "credentials", "mine.toml");
  const text = readFileSync(file, "utf8");
  writeFileSync(file, text.replace("http://127.0.0.1:{port}", "https://evil.example"));
  t.is(
    await asks(["trust", "mine", "--yes"]),
    "credentials/trust request.url=https://evil.example fields.port",
  );
});

onLinux("an answer to a question from before a restart meets no other question", async (t) => {
  const daemon = await guarded(t);
  const asker = inShell(t, daemon, ["get", "demo"]);
  const [before] = await pending(daemon);
  await daemon.stop();
  t.not((await asker.ended).code, 0);
  const again = await startDaemon(t, { home: daemon });
  const next = inShell(t, again, ["get", "demo"]);
  const [after] = await pending(again);
  t.true(after!.id > before!.id);
  const late = await inOwnTerminal(t, again, ["approve", `${before!.id}`, "--once"]);
  t.is(late.code, 2);
  t.regex(late.stderr, /There is no such question any more/);
  t.is((await again.cli(["approve", `${after!.id}`, "--deny"])).code, 0);
  t.is((await next.ended).code, 6);
});

onLinux("confirm can be taken off, by a person", async (t) => {
  const daemon = await guarded(t);
  const unset = inShell(t, daemon, ["set", "demo", "--unset", "confirm"]);
  t.like((await pending(daemon))[0], { kind: "change", what: "credentials/set confirm" });
  t.is((await answer(t, daemon, "--once")).code, 0);
  t.is((await unset.ended).code, 0);
  const file = join(daemon.configDir, "credentials", "demo.toml");
  t.notRegex(readFileSync(file, "utf8"), /confirm =/);
  t.is((await daemon.cli(["get", "demo"])).code, 0, "nobody is asked");
});

onLinux("without its file a guarded credential is kept from programs as before", async (t) => {
  const daemon = await guarded(t);
  const passphrase = join(daemon.folder, "passphrase");
  writeFileSync(passphrase, "correct horse\n", { mode: 0o600 });
  const out = join(daemon.folder, "out");
  for (const spoil of [
    (file: string) => rmSync(file),
    (file: string) => writeFileSync(file, "no settings", { mode: 0o600 }),
  ]) {
    spoil(join(daemon.configDir, "credentials", "demo.toml"));
    await daemon.cli(["reload"]);
    const asker = inShell(t, daemon, ["vault", "export", out, "--passphrase-from", passphrase]);
    t.like((await pending(daemon))[0], { kind: "change", what: "vault/export" });
    t.is((await daemon.cli(["approve", "--deny"])).code, 0);
    t.is((await asker.ended).code, 6);
  }
  t.false(existsSync(out));
});

onLinux("a person accepts the edit that was there when the question came", async (t) => {
  const daemon = await guarded(t);
  const file = join(daemon.configDir, "credentials", "demo.toml");
  writeFileSync(file, 'grant = "static"\nconfirm = "always"\n');
  const asker = inShell(t, daemon, ["trust", "demo", "--yes"]);
  await pending(daemon);
  writeFileSync(file, 'grant = "static"\norigins = ["https://evil.example"]\n');
  t.is((await answer(t, daemon, "--once")).code, 0);
  const { code, stderr } = await asker.ended;
  t.is(code, 5);
  t.regex(stderr, /edited while a person was asked/);
});

onLinux(
  "approve --watch asks as questions come, and takes back what was settled elsewhere",
  async (t) => {
    const daemon = await guarded(t);
    const terminal = onOwnTerminal(t, daemon, ["approve", "--watch"]);
    await terminal.says("Questions are asked here as they come");
    const first = inShell(t, daemon, ["get", "demo"]);
    await terminal.says("Allow it (1)?");
    t.is((await answer(t, daemon, "--once")).code, 0);
    t.is((await first.ended).code, 0);
    await terminal.says("settled elsewhere");
    const second = inShell(t, daemon, ["get", "demo"]);
    await terminal.type("Allow it (2)?", `${DOWN}${ENTER}`);
    t.like(await second.ended, { code: 0, stdout: `${TOKEN}\n` });
    await terminal.says("demo: yes, as long as this program runs.");
    await terminal.type("", CTRL_C);
    await terminal.ended;
  },
);

onLinux("a vault with a passphrase: an answer comes with it", async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, "authd-passphrase"), "correct horse", { mode: 0o600 });
  writeFileSync(join(folder, "wrong"), "battery\n", { mode: 0o600 });
  const env = { AUTHD_VAULT_KEY: "passphrase", CREDENTIALS_DIRECTORY: folder };
  const daemon = await guarded(t, { env });
  const asker = inShell(t, daemon, ["get", "demo"]);
  await pending(daemon);
  const approve = (...more: string[]) => answer(t, daemon, "--once", ...more);
  const without = await approve();
  t.is(without.code, 2);
  t.regex(without.stderr, /--passphrase-from/);
  t.is((await approve("--passphrase-from", join(folder, "wrong"))).code, 6);
  t.is((await approve("--passphrase-from", join(folder, "authd-passphrase"))).code, 0);
  t.is((await asker.ended).stdout, `${TOKEN}\n`);
});

onLinux("without a dialog the hook is told, with what helps", async (t) => {
  const folder = temporaryFolder(t);
  const runs = join(folder, "runs");
  const hook = writeProgram(join(folder, "hook"), noteVariables(runs, "AUTHD_"));
  const config = { "config.toml": `hook = ["${hook}"]\nnotify = false\n` };
  const daemon = await guarded(t, { config });
  const asker = inShell(t, daemon, ["get", "demo"]);
  await until(() => notedRuns(runs).length === 1);
  const [run] = notedRuns(runs);
  t.like(run, {
    AUTHD_EVENT: "approval",
    AUTHD_REASON: "approval",
    AUTHD_CREDENTIAL: "demo",
    AUTHD_HELP: "authd approve 1",
  });
  t.regex(run?.AUTHD_MESSAGE ?? "", /bash.* \(process \d+\) asks demo for its token$/);
  await daemon.cli(["approve", "--deny"]);
  t.is((await asker.ended).code, 6);
});

onLinux("a dialog on the desktop answers, too", async (t) => {
  const folder = temporaryFolder(t);
  writeProgram(join(folder, "zenity"), "echo 'Yes, this once'");
  const env = { PATH: `${folder}:${process.env.PATH}`, DISPLAY: ":9" };
  const daemon = await guarded(t, { env });
  t.like(await inShell(t, daemon, ["get", "demo"]).ended, { code: 0, stdout: `${TOKEN}\n` });
});

onLinux(
  "pending and approve say what is to be said, and nothing steers the terminal",
  async (t) => {
    const daemon = await guarded(t);
    t.regex((await daemon.cli(["pending"])).stdout, /Nobody waits/);
    t.deepEqual(JSON.parse((await daemon.cli(["pending", "--json"])).stdout), { approvals: [] });
    t.regex((await daemon.cli(["approve", "--once"])).stderr, /no such question/);
    const noTerminal = await daemon.cli(["approve"]);
    t.is(noTerminal.code, 2);
    t.regex(noTerminal.stderr, /no terminal to ask on/);
    for (const args of [
      ["--once", "--deny"],
      ["--watch", "--once"],
      ["x", "--once"],
      ["9", "--deny"],
    ]) {
      t.is((await daemon.cli(["approve", ...args])).code, 2, args.join(" "));
    }
    const script = join(daemon.folder, "a\x1b[2J\nb.sh");
    writeFileSync(script, `${quoted([process.execPath, MAIN, "get", "demo"])}; exit $?\n`);
    const askers = [1, 2].map(() => start(t, "bash", [script], { env: daemon.env }));
    const [first] = await pending(daemon, 2);
    t.regex(first?.script ?? "", /b\.sh$/);
    const { stdout } = await daemon.cli(["pending"]);
    t.regex(stdout, /^1 {2}.*asks demo for its token\n {3}runs: .*a\?\[2J\?b\.sh"\n/m);
    t.notRegex(stdout.replaceAll("\n", ""), /\p{Cc}/u);
    const both = await daemon.cli(["approve", "--deny"]);
    t.is(both.code, 2);
    t.regex(both.stderr, /say which of 1, 2/);
    for (const id of ["1", "2"]) t.is((await daemon.cli(["approve", id, "--deny"])).code, 0);
    for (const { ended } of askers) t.is((await ended).code, 6);
  },
);

onLinux(
  "the first rules of a credential are accepted without a question, loosening them is not",
  async (t) => {
    const daemon = await startDaemon(t);
    const add = ["add", "demo", "--grant", "static", "--secrets-from", "-"];
    await daemon.cli(add, { input: JSON.stringify({ token: TOKEN }) });
    const file = join(daemon.configDir, "credentials/demo.toml");
    const before = readFileSync(file, "utf8");
    writeFileSync(file, `expose = "request"\n${before}`);
    t.is((await daemon.cli(["reload"])).code, 0);
    t.is((await daemon.cli(["trust", "demo", "--yes"])).code, 0);
    t.is((await daemon.cli(["get", "demo"])).code, 6);
    writeFileSync(file, before);
    await daemon.cli(["reload"]);
    const trust = inShell(t, daemon, ["trust", "demo", "--yes"]);
    const [question] = await pending(daemon);
    t.like(question, { kind: "change", credential: "demo" });
    t.is((await inOwnTerminal(t, daemon, ["approve", "--deny"])).code, 0);
    t.is((await trust.ended).code, 6);
  },
);

onLinux("a sibling can't answer, with or without a terminal of its own", async (t) => {
  const daemon = await guarded(t);
  const asker = inShell(t, daemon, ["get", "demo"]);
  await pending(daemon);
  const yes = ["approve", "1", "--process"];
  const siblings = [
    inShell(t, daemon, yes),
    start(t, "setsid", ["bash", "-c", `${quoted([process.execPath, MAIN, ...yes])}; exit $?`], {
      env: daemon.env,
    }),
    onTerminal(t, daemon, yes),
  ];
  for (const { ended } of siblings) {
    const { code, stdout, stderr } = await ended;
    t.is(code, 6);
    t.regex(stdout + stderr, /Who asks can't answer|can't be told/);
  }
  t.is((await answer(t, daemon, "--deny")).code, 0);
  t.is((await asker.ended).code, 6);
});

onLinux(
  "a yes without a number answers nothing: by then another question may be open",
  async (t) => {
    const daemon = await guarded(t);
    const asker = inShell(t, daemon, ["get", "demo"]);
    const [question] = await pending(daemon);
    const blind = await inOwnTerminal(t, daemon, ["approve", "--once"]);
    t.is(blind.code, 2);
    t.regex(blind.stderr, /say which, such as authd approve 1 --once\. Open: 1 \(.*bash/);
    t.is((await pending(daemon))[0]?.id, question?.id);
    t.is((await daemon.cli(["approve", "--deny"])).code, 0);
    t.is((await asker.ended).code, 6);
  },
);
