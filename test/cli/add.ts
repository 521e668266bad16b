import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { shippedPresets } from "../../src/config/presets.ts";
import { grants } from "../../src/grants/index.ts";
import { startLabelf } from "../../src/sandbox/labelf.ts";
import { startZebbra } from "../../src/sandbox/zebbra.ts";
import { makeHome, startDaemon } from "../helpers/daemon.ts";

test("what the issuer rejects is exit 5, and is kept", async (t) => {
  const api = await startLabelf();
  t.teardown(() => api.close());
  const daemon = await startDaemon(t);
  const { credential } = api;
  const wrong = { credential: { ...credential, secrets: { client_secret: "not-this-one" } } };
  const added = await daemon.add("labelf", wrong);
  t.is(added.code, 5, added.stderr);
  t.regex(added.stderr, /labelf is kept/);
  t.regex(added.stderr, /authd set labelf/);
  t.false(added.stderr.includes("not-this-one"));
  const shown = JSON.parse((await daemon.cli(["show", "labelf", "--json"])).stdout);
  t.is(shown.state, "rejected");

  const again = await daemon.add("labelf", api);
  t.is(again.code, 2, "there is one of that name");
  t.regex(again.stderr, /--replace/);

  const mended = await daemon.cli(["set", "labelf", "--secrets-from", "-"], {
    input: JSON.stringify(credential.secrets),
  });
  t.is(mended.code, 0, mended.stderr);
  t.regex(mended.stdout, /labelf is changed: ● ready/);
  t.is((await daemon.add("labelf", api, ["--replace"])).code, 0);
});

test("--register makes the account, with a password that nobody sees", async (t) => {
  const api = await startZebbra();
  t.teardown(() => api.close());
  const daemon = await startDaemon(t);
  const { settings } = api.credential;
  const added = await daemon.cli([
    ...["add", "mine", "--preset", "zebbra", "--register"],
    ...["--set", "username=somebody.new", "--set", `base_url=${settings.base_url}`],
  ]);
  t.is(added.code, 0, added.stderr);
  const tested = await daemon.cli(["test", "mine"]);
  t.is(tested.code, 0, tested.stderr);
  t.regex(tested.stdout, /^✔ mine: .*200/);
});

test("secrets out of a file: one that others can read is warned of", async (t) => {
  const api = await startLabelf();
  t.teardown(() => api.close());
  const daemon = await startDaemon(t);
  const file = join(daemon.folder, "secrets.json");
  writeFileSync(file, JSON.stringify(api.credential.secrets));
  const args = (name: string) => [
    ...["add", name, "--preset", "labelf", "--secrets-from", file],
    ...["--set", `client_id=${api.credential.settings.client_id}`],
    ...["--set", `token_url=${api.credential.settings.token_url}`],
  ];
  chmodSync(file, 0o644);
  const open = await daemon.cli(args("one"));
  t.is(open.code, 0, open.stderr);
  t.regex(open.stderr, /warning:.*chmod 600/);
  chmodSync(file, 0o600);
  t.is((await daemon.cli(args("two"))).stderr, "");
});

test("wrong input is exit 2, names what is wrong and never quotes a secret", async (t) => {
  const daemon = await startDaemon(t);
  const broken = join(daemon.folder, "broken.json");
  writeFileSync(broken, '{"client_secret": "tell-nobody"', { mode: 0o600 });
  const numbers = join(daemon.folder, "numbers.json");
  writeFileSync(numbers, '{"client_secret": 12}', { mode: 0o600 });
  for (const [args, wanted] of [
    [["add", "x"], /--preset \(labelf/],
    [["add", "x", "--preset", "labeff"], /Did you mean "labelf"/],
    [["add", "x", "--grant", "client_credential"], /Did you mean "client_credentials"/],
    [["add", "x", "--preset", "labelf", "--grant", "static"], /not both/],
    [["add", "x", "--preset", "labelf", "--set", "client_secret=tell-nobody"], /is a secret/],
    [["add", "x", "--preset", "labelf", "--set", "client_idd=x"], /client_id/],
    [["add", "UP/er", "--preset", "labelf", "--set", "client_id=x"], /UP/],
    [["add", "x", "--preset", "labelf", "--set", "client_id=x"], /client_secret/],
    [["add", "x", "--preset", "labelf", "--secrets-from", broken], /not a JSON object/],
    [["add", "x", "--preset", "labelf", "--secrets-from", numbers], /must be a string/],
    [["add", "x", "--preset", "labelf", "--secrets-from", "/nowhere"], /ENOENT/],
    [["add"], /missing required argument.*on a terminal/],
  ] as const) {
    const { code, stdout, stderr } = await daemon.cli(args);
    t.is(code, 2, `${args.join(" ")}: ${stderr}`);
    t.is(stdout, "");
    t.regex(stderr, wanted);
    t.false(stderr.includes("tell-nobody"));
  }
  t.false(existsSync(join(daemon.configDir, "credentials", "x.toml")));
});

test("settings end in the file, typed as it wants them; secrets do not", async (t) => {
  const daemon = await startDaemon(t);
  const added = await daemon.cli(
    [
      ...["add", "fixed", "--grant", "static", "--secrets-from", "-"],
      ...["--set", "origins=https://a.example,https://b.example", "--set", "ttl=60"],
      ...["--set", "verify.url=https://a.example/me", "--set", "headers.x-app={token}!"],
    ],
    { input: '{"token": "tell-nobody"}' },
  );
  t.is(added.code, 0, added.stderr);
  const file = readFileSync(join(daemon.configDir, "credentials", "fixed.toml"), "utf8");
  t.regex(file, /ttl = 60/);
  t.regex(file, /origins = \[ ?"https:\/\/a\.example", "https:\/\/b\.example" ?\]/);
  t.false(file.includes("tell-nobody"));

  const got = await daemon.cli(["get", "fixed", "--format", "header"]);
  t.is(got.stdout, "X-App: tell-nobody!\n");
});

test("add --help lists every preset and every grant, one a line", async (t) => {
  const { cli } = makeHome(t);
  const { code, stdout } = await cli(["add", "--help"]);
  t.is(code, 0);
  for (const name of [...shippedPresets().byName.keys(), ...Object.keys(grants)]) {
    t.regex(stdout, new RegExp(`^  ${name} +\\S.{10,58}$`, "m"), name);
  }
});
