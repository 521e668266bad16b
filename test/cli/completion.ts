import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { run, start } from "../helpers/child.ts";
import { type Daemon, MAIN, makeHome, startDaemon } from "../helpers/daemon.ts";
import { absent, missing } from "../helpers/optional.ts";

/** A test that needs a shell; where it is not installed it says so instead. */
function testIn(shell: string, title: string, body: (t: ExecutionContext) => Promise<void>): void {
  test(title, async (t) =>
    absent(shell).length === 0 ? body(t) : missing(t, `${shell} is not installed`),
  );
}

/** A daemon with two credentials, and `authd` in the PATH. */
async function prepare(t: ExecutionContext): Promise<Daemon> {
  const daemon = await startDaemon(t);
  for (const name of ["labelf", "listings"]) {
    const { code } = await daemon.cli(
      [
        ...["add", name, "--grant", "static", "--secrets-from", "-"],
        ...["--set", "origins=https://api.example"],
      ],
      { input: '{"token": "x"}' },
    );
    t.is(code, 0);
  }
  const bin = join(daemon.folder, "bin");
  mkdirSync(bin);
  const script = `#!/bin/sh\nexec "${process.execPath}" "${MAIN}" "$@"\n`;
  writeFileSync(join(bin, "authd"), script);
  chmodSync(join(bin, "authd"), 0o755);
  const env = { ...daemon.env, PATH: `${bin}:${process.env.PATH}`, TERM: "dumb" };
  return { ...daemon, env };
}

test("candidates: commands, options, their values, credentials, presets, origins", async (t) => {
  const { cli } = await prepare(t);
  const complete = async (...words: string[]) => {
    const { stdout, stderr } = await cli(["__complete", ...words]);
    t.is(stderr, "");
    return stdout
      .trimEnd()
      .split("\n")
      .map((line) => line.split("\t")[0]);
  };
  t.deepEqual(await complete("re"), ["request", "refresh", "remove", "reload"]);
  t.deepEqual(await complete("st"), ["status", "stop"]);
  t.deepEqual(await complete("get", "l"), ["labelf", "listings"]);
  t.deepEqual(await complete("get", "labelf", "--f"), ["--format"]);
  t.deepEqual(await complete("get", "--format", ""), ["token", "header", "json"]);
  t.deepEqual(await complete("get", "--format=j"), ["--format=json"]);
  t.deepEqual(await complete("get", "--format", "json", "la"), ["labelf"]);
  t.deepEqual(await complete("add", "x", "--preset", "z"), ["zebbra"]);
  t.deepEqual(await complete("add", "x", "--grant", "cl"), ["client_credentials"]);
  t.deepEqual(await complete("add", ""), [""]);
  t.deepEqual(await complete("request", "labelf", "P"), ["POST", "PUT", "PATCH"]);
  t.deepEqual(await complete("request", "labelf", "GET", ""), ["https://api.example/"]);
  t.deepEqual(await complete("service", "in"), ["install"]);
  t.deepEqual(await complete("events", "--fo"), ["--follow"]);
  t.deepEqual(await complete("events", "--credential", "la"), ["labelf"]);
  t.deepEqual(await complete("vault", ""), ["export", "import", "rekey"]);
  t.deepEqual(await complete("vault", "rekey", "--to", "k"), ["keychain"]);
  t.deepEqual(await complete("vault", "import", "x", "--o"), ["--only"]);
  t.is((await cli(["__complete", "add", "x", "--secrets-from", ""])).code, 1, "file names");
  t.is((await cli(["__complete", "vault", "import", ""])).code, 1, "file names");
});

test("without a daemon completion is silent", async (t) => {
  const { cli } = makeHome(t);
  const said = await cli(["__complete", "get", ""]);
  t.deepEqual(said, { code: 0, stdout: "", stderr: "" });
});

testIn("bash", "completes in bash", async (t) => {
  const { env } = await prepare(t);
  const script = `
    source <(authd completion bash)
    complete -p authd
    try() {
      COMP_LINE="$1" COMP_POINT=\${#1} COMP_WORDS=("\${@:2}") COMP_CWORD=$(($# - 2))
      _authd 2>/dev/null
      echo "$1: \${COMPREPLY[*]}"
    }
    try "authd g" authd g
    try "authd get l" authd get l
    try "authd get --format=j" authd get --format = j
    try "authd get --format=" authd get --format =
    try "authd request labelf https://a" authd request labelf https : //a
    try "authd add x --secrets-from /etc/host" authd add x --secrets-from /etc/host`;
  const { stdout, stderr } = await run(t, "bash", ["--norc", "-c", script], { env });
  const lines = stdout.trimEnd().split("\n");
  t.deepEqual(lines.slice(0, 6), [
    "complete -F _authd authd",
    "authd g: get",
    "authd get l: labelf listings",
    "authd get --format=j: json",
    "authd get --format=: token header json",
    "authd request labelf https://a: //api.example/",
  ]);
  t.regex(lines[6] ?? "", /\/etc\/host/);
  t.is(stderr, "");
});

testIn("fish", "completes in fish", async (t) => {
  const { env } = await prepare(t);
  const script = `
    authd completion fish | source
    complete -C "authd g"
    complete -C "authd get l"
    complete -C "authd get --format j"`;
  const { stdout } = await run(t, "fish", ["--no-config", "-c", script], { env });
  const words = stdout
    .trimEnd()
    .split("\n")
    .map((line) => line.split("\t")[0]);
  t.deepEqual(words, ["get", "labelf", "listings", "json"]);
});

testIn("zsh", "completes in zsh", async (t) => {
  const { env, folder } = await prepare(t);
  // compadd inside a completion is the only way in; a pseudo-terminal of zsh's own is the user.
  const script = `
    zmodload zsh/zpty
    zpty shell zsh -f -i
    zpty -w shell 'PS1=; autoload -Uz compinit; compinit -u -d ${folder}/zcompdump; source <(authd completion zsh); print RE""ADY'
    until [[ $out == *READY* ]]; do zpty -r shell chunk; out+=$chunk; done
    zpty -w -n shell $'authd get l\\t'
    until [[ $out == *listings* ]]; do zpty -r shell chunk; out+=$chunk; done
    print COMPLETED`;
  const zsh = start(t, "zsh", ["-f", "-c", script], { env });
  await zsh.says("COMPLETED");
  t.pass();
});
