import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { startDaemon } from "../helpers/daemon.ts";
import { startIssuer } from "../helpers/issuer.ts";

const ACME = `title = "Acme"
grant = "client_credentials"
keys = { hint = "In its console." }
[fields.account]
label = "Account"
[fields.client_secret]
label = "Secret"
secret = true
[settings]
token_url = "ORIGIN/token"
client_id = "{account}"
origins = ["ORIGIN"]
`;

const TOKEN = { json: { access_token: "one", token_type: "bearer", expires_in: 600 } };

test("a preset of one's own is listed, shown, completed, added from, and bound", async (t) => {
  const issuer = await startIssuer(t, TOKEN);
  const elsewhere = await startIssuer(t, TOKEN);
  const acme = (origin: string) => ACME.replaceAll("ORIGIN", origin);
  const daemon = await startDaemon(t, { config: { "presets/acme.toml": acme(issuer.origin) } });
  const file = join(daemon.configDir, "presets", "acme.toml");

  const list = await daemon.cli(["presets"]);
  t.is(list.code, 0, list.stderr);
  t.regex(list.stdout, /^NAME +API +GRANT\nacme +Acme +client_credentials +yours\nlabelf +Labelf/);
  const found = await daemon.cli(["presets", "ACM"]);
  t.regex(found.stdout, /^NAME.*\nacme .*\n$/);
  t.like(await daemon.cli(["presets", "nothing"]), { code: 1, stdout: "" });
  const { presets } = JSON.parse((await daemon.cli(["presets", "acme", "--json"])).stdout);
  t.deepEqual(presets, [
    { name: "acme", title: "Acme", grant: "client_credentials", file, replaces: false },
  ]);
  const { stdout: shown } = await daemon.cli(["presets", "show", "acme"]);
  t.regex(shown, /^Acme\n {2}preset +acme, yours\n/);
  t.true(shown.includes("client_secret: Secret (a secret)"));
  t.true(shown.includes(`${issuer.origin}/token`));
  t.regex(shown, /Next: authd add acme --preset acme\n$/);
  const { settings } = JSON.parse((await daemon.cli(["presets", "show", "acme", "--json"])).stdout);
  t.is(settings.client_id, "{account}");
  t.like(await daemon.cli(["presets", "show", "acm"]), {
    code: 2,
    stderr: 'authd: There is no preset "acm". Did you mean "acme"?\n',
  });
  for (const words of [
    ["presets", "show", "ac"],
    ["add", "x", "--preset", "ac"],
  ]) {
    t.is((await daemon.cli(["__complete", ...words])).stdout, "acme\tAcme\n");
  }

  const secrets = { input: '{"client_secret":"practice-secret"}' };
  const add = ["add", "mine", "--preset", "acme", "--set", "account=a", "--secrets-from", "-"];
  const added = await daemon.cli(add, secrets);
  t.is(added.code, 0, added.stderr);
  t.is((await daemon.cli(["get", "mine"])).stdout, "one\n");

  writeFileSync(file, acme(elsewhere.origin));
  const reloaded = await daemon.cli(["reload"]);
  t.regex(reloaded.stdout, /Changed: mine\n.*authd trust mine/);
  const stopped = await daemon.cli(["get", "mine"]);
  t.like(stopped, { code: 5, stdout: "" });
  t.regex(stopped.stderr, /mine: its preset acme was edited since .* authd trust mine/);
  t.deepEqual(elsewhere.requests, []);
  t.is((await daemon.cli(["trust", "mine", "--yes"])).code, 0);
  t.is((await daemon.cli(["get", "mine"])).code, 0);
  t.is(elsewhere.requests.length, 1);

  rmSync(file);
  const gone = await daemon.cli(["reload"]);
  t.is(gone.code, 1);
  t.regex(gone.stderr, /There is no preset "acme"/);
});

test("a mistake in a preset names file, line and key, wherever it is met", async (t) => {
  const daemon = await startDaemon(t);
  const folder = join(daemon.configDir, "presets");
  mkdirSync(folder, { mode: 0o700, recursive: true });
  const file = join(folder, "acme.toml");
  writeFileSync(file, ACME.replaceAll("ORIGIN", "https://a.example").replace("origins", "orgins"));
  const told =
    /presets\/acme\.toml.*line 12: .*"settings\.orgins".* Did you mean "settings\.origins"/;
  for (const args of [
    ["presets"],
    ["presets", "show", "acme"],
    ["add", "mine", "--preset", "acme", "--secrets-from", "-"],
    ["reload"],
  ]) {
    const { code, stderr } = await daemon.cli(args, { input: "{}" });
    t.true(code === 1 || code === 2, args.join(" "));
    t.regex(stderr.replace(", line", ": line"), told, args.join(" "));
  }
  const doctor = await daemon.cli(["doctor"]);
  t.regex(doctor.stdout + doctor.stderr, told);
  writeFileSync(join(folder, "labelf.toml"), ACME.replaceAll("ORIGIN", "https://a.example"));
  t.regex((await daemon.cli(["presets"])).stdout, /^labelf .*yours, in place of the shipped one$/m);
  const again = await daemon.cli(["doctor"]);
  t.regex(again.stdout + again.stderr, /labelf\.toml takes the place of the preset labelf/);
});
