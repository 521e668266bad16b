/** Words that are not right, typed or in files: exit 2 or 4, the nearest right one, and no secret repeated. */
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { makeHome, startDaemon } from "../helpers/daemon.ts";

const LABELF = ["add", "x", "--preset", "labelf", "--set", "client_id=a"];

test.serial("what is not known is refused by name, with the nearest that is", async (t) => {
  const daemon = await startDaemon(t);
  const secrets = { input: '{"client_secret":"tell-nobody"}' };
  const fixed = ["add", "fixed", "--grant", "static", "--secrets-from", "-"];
  t.is((await daemon.cli(fixed, { input: '{"token":"tell-nobody"}' })).code, 0);
  for (const [args, code, says] of [
    [["add", "x", "--preset", "zebra"], 2, /"zebra".*Did you mean "zebbra"/],
    [["add", "x", "--grant", "pasword"], 2, /"pasword".*Did you mean "password"/],
    [[...LABELF, "--set", "token_uri=https://a.example"], 2, /token_uri.*Did you mean "token_url"/],
    [
      [...LABELF, "--set", "verify.uri=https://a.example"],
      2,
      /verify\.uri.*Did you mean "verify\.url"/,
    ],
    [["set", "fixd", "--set", "ttl=60"], 4, /"fixd".*Did you mean "fixed"/],
    [["get", "fixd"], 4, /"fixd".*Did you mean "fixed"/],
    [["get", "constructor"], 4, /"constructor"/],
    [["set", "fixed", "--set", "tll=60"], 2, /tll.*Did you mean "ttl"/],
    [["remove", "nothing", "--yes"], 4, /nothing/],
    [["trust", "nothing", "--yes"], 4, /nothing/],
    [["test", "../../etc/passwd"], 4, /passwd/],
    [["frobnicate"], 2, /frobnicate/],
  ] as const) {
    const said = await daemon.cli(
      [...args, ...(args[0] === "add" ? ["--secrets-from", "-"] : [])],
      secrets,
    );
    t.is(said.code, code, `${args.join(" ")}: ${said.stderr}`);
    t.is(said.stdout, "");
    t.regex(said.stderr, says);
    t.notRegex(said.stderr, /tell-nobody/);
  }
  t.deepEqual(readdirSync(join(daemon.configDir, "credentials")), ["fixed.toml"]);
  t.is((await daemon.cli(["get", "fixed"])).stdout, "tell-nobody\n");
});

test.serial("a secret in --set, an unknown, an empty and an oversized one", async (t) => {
  const daemon = await startDaemon(t);
  const fixed = ["add", "fixed", "--grant", "static", "--secrets-from", "-"];
  t.is((await daemon.cli(fixed, { input: '{"token":"good"}' })).code, 0);
  for (const [args, input, says] of [
    [
      [...LABELF, "--set", "client_secret=tell-nobody"],
      "{}",
      /client_secret is a secret.*--secrets-from/s,
    ],
    [["set", "fixed", "--set", "token=tell-nobody"], "{}", /token is a secret.*--secrets-from/s],
    [["add", "x", "--grant", "static", "--set", "fields.token=tell-nobody"], "{}", /is a secret/],
    [LABELF, '{"client_secrt":"tell-nobody"}', /client_secrt.*Did you mean "client_secret"/],
    [LABELF, '{"client_secret":""}', /client_secret is empty|missing client_secret/],
    [
      LABELF,
      JSON.stringify({ client_secret: "tell-nobody".repeat(7_000) }),
      /client_secret is longer than 64 KiB/,
    ],
    [LABELF, '{"client_secret":["tell-nobody"]}', /client_secret.*must be a string/],
    [LABELF, '["tell-nobody"]', /not a JSON object/],
    [LABELF, "tell-nobody", /not a JSON object/],
    [["set", "fixed"], '{"token":""}', /token is empty/],
    [
      ["set", "fixed"],
      JSON.stringify({ token: "x".repeat(9 * 2 ** 20) }),
      /authd accepts 8388608 in one message/,
    ],
  ] as const) {
    const { code, stdout, stderr } = await daemon.cli([...args, "--secrets-from", "-"], { input });
    t.true(
      code === 2 || (code === 1 && input.length > 2 ** 20),
      `${args.join(" ")}: ${code} ${stderr}`,
    );
    t.is(stdout, "");
    t.regex(stderr, says);
    t.notRegex(stderr, /tell-nobody/);
    t.true(stderr.length < 1_000);
  }
  t.is((await daemon.cli(["get", "fixed"])).stdout, "good\n", "nothing was lost");
  t.false(existsSync(join(daemon.configDir, "credentials", "x.toml")));
});

test.serial("names that can't be", async (t) => {
  const daemon = await startDaemon(t);
  // The audit log begins with the daemon's first breath, a little later than its socket.
  const files = () =>
    readdirSync(daemon.folder, { recursive: true, encoding: "utf8" })
      .filter((path) => !/^state\/audit\./.test(path))
      .sort();
  const before = files();
  for (const name of [
    "a/b",
    "../up",
    "..",
    ".hidden",
    "UPPER",
    "x".repeat(65),
    "-dash",
    "a b",
    "ä",
    "a\nb",
    " ",
  ]) {
    const args = ["add", "--grant", "static", "--secrets-from", "-", "--", name];
    const { code, stderr } = await daemon.cli(args, { input: '{"token":"tell-nobody"}' });
    t.is(code, 2, `${name}: ${stderr}`);
    t.regex(stderr, /name/, name);
    t.true(stderr.length < 300);
  }
  t.deepEqual(files(), before);
});

test.serial("unknown keys in files are refused by name; the other credentials go on", async (t) => {
  const home = makeHome(t, {
    config: {
      "credentials/typo.toml": 'grant = "static"\norigin = ["https://a.example"]\n',
      "credentials/secret.toml": 'grant = "static"\ntoken = "tell-nobody"\n',
      "credentials/fine.toml": 'grant = "static"\n',
      "credentials/UPPER.toml": 'grant = "static"\n',
    },
  });
  const daemon = await startDaemon(t, { home });
  const reload = await daemon.cli(["reload"]);
  t.is(reload.code, 1);
  const said = reload.stdout + reload.stderr;
  t.regex(said, /typo\.toml.*"origin"\. Did you mean "origins"/s);
  t.regex(said, /secret\.toml.*token is a secret/s);
  t.regex(said, /UPPER\.toml/);
  t.notRegex(said, /tell-nobody/);
  const typo = await daemon.cli(["get", "typo"]);
  t.is(typo.code, 5);
  t.regex(typo.stderr, /typo\.toml.*Did you mean "origins"/);
  const input = '{"token":"fine-token"}';
  t.is((await daemon.cli(["set", "fine", "--secrets-from", "-"], { input })).code, 0);
  writeFileSync(join(home.configDir, "config.toml"), "log_levle = 'info'\n", { mode: 0o600 });
  const broken = await daemon.cli(["reload"]);
  t.is(broken.code, 1);
  t.regex(broken.stdout + broken.stderr, /log_levle.*Did you mean "log_level"/s);
  t.is((await daemon.cli(["get", "fine"])).stdout, "fine-token\n");
});
