import { readFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { startZebbra } from "../../src/sandbox/zebbra.ts";
import { type Daemon, startDaemon } from "../helpers/daemon.ts";

const fileOf = (daemon: Daemon, name: string) =>
  readFileSync(join(daemon.configDir, "credentials", `${name}.toml`), "utf8");

async function withStatic(t: ExecutionContext, more: readonly string[] = []) {
  const daemon = await startDaemon(t);
  const args = ["add", "fixed", "--grant", "static", "--secrets-from", "-", ...more];
  const added = await daemon.cli(args, { input: '{"token": "the-first"}' });
  t.is(added.code, 0, added.stderr);
  return daemon;
}

test("--unset takes any setting away, nested ones too", async (t) => {
  const settings = ["--set", "ttl=60", "--set", "headers.x-app={token}"];
  const daemon = await withStatic(t, settings);
  const unset = await daemon.cli(["set", "fixed", "--unset", "ttl", "--unset", "headers.x-app"]);
  t.is(unset.code, 0, unset.stderr);
  t.notRegex(fileOf(daemon, "fixed"), /ttl|headers|x-app/);
  const got = await daemon.cli(["get", "fixed", "--format", "header"]);
  t.is(got.stdout, "Authorization: Bearer the-first\n");
  for (const [key, wanted] of [
    ["ttl", /does not set "ttl"/],
    ["grant", /grant can't be changed/],
    ["token", /needs the secret token: authd set fixed/],
  ] as const) {
    const { code, stderr } = await daemon.cli(["set", "fixed", "--unset", key]);
    t.is(code, 2, stderr);
    t.regex(stderr, wanted);
  }
});

test("--unset takes an optional secret away, and what is left is tried", async (t) => {
  const api = await startZebbra();
  t.teardown(() => api.close());
  const daemon = await startDaemon(t);
  const { settings, secrets } = api.credential;
  const rest = { ...secrets, otp_secret: "JBSWY3DPEHPK3PXP" };
  const added = await daemon.add("zebbra", {
    credential: { ...api.credential, settings, secrets: rest },
  });
  const entered = async () => {
    const shown = JSON.parse((await daemon.cli(["show", "zebbra", "--json"])).stdout);
    return shown.secrets.find(({ name }: { name: string }) => name === "otp_secret").isEntered;
  };
  t.true(await entered(), added.stderr);
  const unset = await daemon.cli(["set", "zebbra", "--unset", "otp_secret", "--force"]);
  t.is(unset.code, 0, unset.stderr);
  t.false(await entered());
  t.is((await daemon.cli(["get", "zebbra"])).code, 0);
});

test("--secret takes one secret out of a pipe as it is, but for its last newline", async (t) => {
  const daemon = await withStatic(t);
  const set = (input: string | Uint8Array, secret = "token=-") =>
    daemon.cli(["set", "fixed", "--secret", secret], { input });
  const token = async () => (await daemon.cli(["get", "fixed"])).stdout;
  const first = await set('  "as it is"\n');
  t.is(first.code, 0, first.stderr);
  t.regex(first.stderr, /token: without the newline at the end/);
  t.is(await token(), '  "as it is"\n');
  const second = await set("no-newline");
  t.is(second.stderr, "");
  t.is(await token(), "no-newline\n");
  for (const [input, secret, wanted] of [
    ["x", "token=tell-nobody", /NAME=-/],
    ["x", "other=-", /no secret "other"/],
    ["\n", "token=-", /is empty/],
    [Uint8Array.of(0xff, 0xfe), "token=-", /not UTF-8/],
  ] as const) {
    const { code, stderr } = await set(input, secret);
    t.is(code, 2, stderr);
    t.regex(stderr, wanted);
    t.notRegex(stderr, /tell-nobody/);
  }
  t.is(await token(), "no-newline\n");
});
