import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { run, start } from "../helpers/child.ts";
import { type Daemon, MAIN, makeHome, startDaemon } from "../helpers/daemon.ts";
import { absent, missing } from "../helpers/optional.ts";
import { ROOT } from "../helpers/sources.ts";

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
  const ofResource = ["add", "x", "--resource", "https://mcp.example.com", "--set", "redirect"];
  t.deepEqual(await complete(...ofResource), ["redirect_uri="]);
  t.deepEqual(await complete("add", ""), [""]);
  t.deepEqual(await complete("request", "labelf", "P"), ["POST", "PUT", "PATCH"]);
  t.deepEqual(await complete("request", "labelf", "GET", ""), ["https://api.example/"]);
  t.deepEqual(await complete("service", "in"), ["install"]);
  t.deepEqual(await complete("events", "--fo"), ["--follow"]);
  t.deepEqual(await complete("events", "--credential", "la"), ["labelf"]);
  t.deepEqual(await complete("helper", "install", "do"), ["docker"]);
  t.deepEqual(await complete("vault", ""), ["export", "import", "rekey", "move"]);
  t.deepEqual(await complete("vault", "rekey", "--to", "k"), ["keychain"]);
  t.deepEqual(await complete("vault", "import", "x", "--o"), ["--only"]);
  t.is((await cli(["__complete", "add", "x", "--secrets-from", ""])).code, 1, "file names");
  t.is((await cli(["__complete", "vault", "import", ""])).code, 1, "file names");
});

const RESPONSE = ["token", "expires_in", "expires_at", "token_type", "scope", "keep"];

test("keys of --set and their values: those of the preset, the grant or the credential", async (t) => {
  const { cli } = await prepare(t);
  const complete = async (...words: string[]) =>
    (await cli(["__complete", ...words])).stdout.trimEnd().split("\n");
  const words = async (...typed: string[]) =>
    (await complete(...typed)).map((line) => line.split("\t")[0]);
  t.deepEqual(await words("add", "x", "--preset", "onestepai", "--set", "re"), [
    "region=",
    ...["method", "url", "headers", "form", "json", "text", "repeatable", "values"].map(
      (key) => `request.${key}=`,
    ),
    ...RESPONSE.map((key) => `response.${key}=`),
    ...["method", "url", "headers", "form", "json", "text", "repeatable", "values", "steps"].map(
      (key) => `renew.${key}=`,
    ),
    ...RESPONSE.map((key) => `renew.response.${key}=`),
    ...["reuse_grace=", "rejected_statuses=", "rejected_on=", "renew_on="],
  ]);
  t.deepEqual(await complete("add", "x", "--preset=onestepai", "--set", "region="), [
    "region=eu",
    "region=us",
  ]);
  t.deepEqual(
    await complete("add", "x", "--grant", "client_credentials", "--set", "client_auth=po"),
    ["client_auth=post"],
  );
  t.deepEqual(await complete("set", "labelf", "--set", "war"), [
    "warm=\tWhen to renew before expiry",
  ]);
  t.deepEqual(await words("set", "--force", "labelf", "--unset", "veri"), [
    "verify.method",
    "verify.url",
  ]);
  t.deepEqual(await words("add", "x", "--set", "tok"), [""], "which API is not known yet");
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
    try "authd add x --preset onestepai --set regi" authd add x --preset onestepai --set regi
    try "authd add x --preset onestepai --set region=e" authd add x --preset onestepai --set region = e
    try "authd add x --secrets-from /etc/host" authd add x --secrets-from /etc/host`;
  const { stdout, stderr } = await run(t, "bash", ["--norc", "-c", script], { env });
  const lines = stdout.trimEnd().split("\n");
  t.deepEqual(lines.slice(0, 8), [
    "complete -F _authd authd",
    "authd g: get",
    "authd get l: labelf listings",
    "authd get --format=j: json",
    "authd get --format=: token header json",
    "authd request labelf https://a: //api.example/",
    "authd add x --preset onestepai --set regi: region=",
    "authd add x --preset onestepai --set region=e: eu",
  ]);
  t.regex(lines[8] ?? "", /\/etc\/host/);
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

testIn("fish", "the file that the guide makes needs no folder before", async (t) => {
  const { env, folder } = await prepare(t);
  const command =
    "mkdir -p ~/.config/fish/completions && authd completion fish > ~/.config/fish/completions/authd.fish";
  t.true(readFileSync(join(ROOT, "docs/guide.md"), "utf8").includes(command));
  const home = { ...env, HOME: folder };
  t.is((await run(t, "sh", ["-c", command], { env: home })).code, 0);
  const { stdout } = await run(t, "fish", ["-c", 'complete -C "authd get l"'], { env: home });
  t.regex(stdout, /^listings\b/m);
});

for (const [title, setUp, typed, wanted] of [
  ["", "autoload -Uz compinit; compinit -u; ", "get l", "listings"],
  [" without compinit", "", "get l", "listings"],
  [" a key of --set", "", "add x --preset onestepai --set regi", "region="],
] as const) {
  testIn("zsh", `completes in zsh${title}`, async (t) => {
    const { env, folder } = await prepare(t);
    // compadd inside a completion is the only way in; a pseudo-terminal of zsh's own is the user.
    const script = `
    zmodload zsh/zpty
    zpty shell zsh -f -i
    zpty -w shell 'PS1=; ${setUp}source <(authd completion zsh); print RE""ADY'
    until [[ $out == *READY* ]]; do zpty -r shell chunk; out+=$chunk; done
    zpty -w -n shell $'authd ${typed}\\t'
    zpty -r shell chunk '*${wanted}' && print COMPLETED`;
    const zsh = start(t, "zsh", ["-f", "-c", script], { env: { ...env, ZDOTDIR: folder } });
    await zsh.says("COMPLETED");
    t.pass();
  });
}
