import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import type { Finding } from "../../src/cli/doctor/finding.ts";
import { startLabelf } from "../../src/sandbox/labelf.ts";
import { type Home, makeHome, startDaemon } from "../helpers/daemon.ts";
import { startIssuer } from "../helpers/issuer.ts";

async function examine({ cli }: Home): Promise<{ code: number | null; findings: Finding[] }> {
  const { code, stdout } = await cli(["doctor", "--json"]);
  return { code, findings: JSON.parse(stdout).findings };
}

const about = (findings: readonly Finding[], topic: string) =>
  findings.filter((finding) => finding.about === topic);

test("doctor finds nothing to mend where all is well", async (t) => {
  const api = await startLabelf();
  t.teardown(() => api.close());
  const daemon = await startDaemon(t);
  t.is((await daemon.add("labelf", api)).code, 0);
  const { code, stdout } = await daemon.cli(["doctor"]);
  t.is(code, 0, stdout);
  t.regex(stdout, /^✔ socket +\S+authd\.sock$/m);
  t.regex(stdout, /^✔ daemon +version /m);
  t.regex(stdout, /^✔ vault key +file/m);
  t.regex(stdout, /^✔ labelf +ready$/m);
});

test("without a daemon doctor says so, and looks at the rest", async (t) => {
  const { code, findings } = await examine(makeHome(t));
  t.is(code, 1);
  t.is(about(findings, "daemon")[0]?.level, "problem");
  t.regex(about(findings, "daemon")[0]?.fix ?? "", /authd serve/);
  t.is(about(findings, "files")[0]?.level, "ok");
});

test("folders that others may write to, and broken files, are problems with a remedy", async (t) => {
  const home = makeHome(t, { config: { "credentials/bad.toml": 'preset = "labeff"\n' } });
  const broken = about((await examine(home)).findings, "files")[0];
  t.is(broken?.level, "problem");
  t.regex(broken?.message ?? "", /Did you mean "labelf"/);

  chmodSync(home.configDir, 0o777);
  const open = about((await examine(home)).findings, "configuration")[0];
  t.is(open?.level, "problem");
  t.is(open?.fix, `chmod go-w ${home.configDir}`);
});

test("secrets about to run out, and credentials that wait for a person, are told", async (t) => {
  const api = await startLabelf();
  t.teardown(() => api.close());
  const daemon = await startDaemon(t);
  const day = (ahead: number) =>
    new Date(Date.now() + ahead * 86_400_000).toISOString().slice(0, 10);
  const expiring = (date: string) => ["--set", `secret_expires=${date}`];
  await daemon.add("soon", api, expiring(day(5)));
  await daemon.add("over", api, expiring(day(-5)));
  await daemon.add("later", api, expiring(day(50)));
  const refused = { ...api.credential, secrets: { client_secret: "another" } };
  await daemon.add("refused", { credential: refused });

  const { code, findings } = await examine(daemon);
  t.is(code, 1);
  const levels = (name: string) => about(findings, name).map(({ level }) => level);
  t.deepEqual(levels("soon"), ["ok", "warning"]);
  t.deepEqual(levels("over"), ["problem"]);
  t.deepEqual(levels("later"), ["ok"]);
  t.deepEqual(levels("refused"), ["problem"]);
  t.is(about(findings, "refused")[0]?.fix, "authd set refused");
});

test("a locked vault is told once, however many credentials it holds", async (t) => {
  const daemon = await startDaemon(t, { env: { AUTHD_VAULT_KEY: "passphrase" } });
  const unlock = ["unlock", "--passphrase-from", "-"];
  t.is((await daemon.cli(unlock, { input: "correct horse battery\n" })).code, 0);
  for (const name of ["one", "two", "three"]) {
    const add = ["add", name, "--grant", "static", "--secrets-from", "-"];
    t.is((await daemon.cli(add, { input: '{"token":"x"}' })).code, 0);
  }
  t.is((await daemon.cli(["lock"])).code, 0);
  const { findings } = await examine(daemon);
  t.is(findings.filter(({ message }) => message.includes("locked")).length, 1);
  t.is((await daemon.cli(["status"])).stdout.match(/authd lock/g)?.length, 1);
});

test("only what was looked at is ticked", async (t) => {
  const daemon = await startDaemon(t, { config: { "config.toml": 'log_level = "warn"\n' } });
  const levels = async (topic: string) => about((await examine(daemon)).findings, topic);
  t.is((await levels("service"))[0]?.level, "unknown", "none is installed");
  t.like((await levels("config.toml"))[0], { level: "ok" });
  t.regex((await levels("disk"))[1]?.message ?? "", /MiB free at/);
  // NTP may be known on the machine that this runs on.
  const [alone] = await levels("clock");
  t.regex(alone?.message ?? "", /compared with nothing|agrees with the network|not kept right/);
  const api = await startLabelf();
  t.teardown(() => api.close());
  t.is((await daemon.add("labelf", api)).code, 0);
  const [compared] = await levels("clock");
  t.regex(compared?.message ?? "", /agrees with 1 issuer|not kept right/);
  writeFileSync(join(daemon.configDir, "config.toml"), 'log_level = "warm"\n', { mode: 0o600 });
  t.is((await levels("files"))[0]?.level, "problem");
  t.deepEqual(await levels("config.toml"), []);
});

test("a credential that nobody asked for yet is not ticked, one in trouble is a problem", async (t) => {
  const daemon = await startDaemon(t, {
    config: {
      "credentials/literal.toml": 'grant = "static"\n[headers]\nx-app = "{tokn}"\n',
    },
  });
  const refused = await daemon.cli(["get", "literal"]);
  t.is(refused.code, 5);
  t.regex(
    refused.stderr,
    /literal\.toml.*line 3: .*headers\.x-app holds \{tokn\}.*Did you mean \{token\}/s,
  );
  const add = ["add", "lost", "--grant", "client_credentials", "--set", "client_id=app"];
  const url = "token_url=https://no-such-host.invalid/token";
  const added = await daemon.cli([...add, "--set", url, "--secrets-from", "-"], {
    input: '{"client_secret":"x"}',
  });
  t.is(added.code, 7, added.stderr);
  const { findings } = await examine(daemon);
  t.deepEqual(
    about(findings, "literal").map(({ level, fix }) => [level, fix?.split(" mends")[0]]),
    [["problem", "authd edit literal"]],
  );
  t.true(about(findings, "lost").some(({ fix }) => fix === "authd set lost --set token_url=…"));
  const { stdout } = await daemon.cli(["status"]);
  t.regex(stdout, /literal.*damaged/);
  t.regex(stdout, /✖ wrong address/);
  t.regex(stdout, /lost.*wrong_address.*authd set lost --set token_url=…/);
});

test("a static key is untested until something has used it, and again with another secret", async (t) => {
  const api = await startIssuer(t, { status: 200 });
  const daemon = await startDaemon(t);
  const settings = { origins: [api.origin], "verify.url": `${api.origin}/me` };
  const credential = { grant: "static", settings, secrets: { token: "x" } };
  for (const name of ["tested", "sent", "handed"])
    t.is((await daemon.add(name, { credential })).code, 0);
  const isUntested = async (name: string, told: boolean) => {
    const [finding] = about((await examine(daemon)).findings, name);
    t.is(finding?.level, told ? "unknown" : "ok", name);
    t.is(finding?.fix, told ? `authd test ${name}` : undefined, name);
    const show = await daemon.cli(["show", name]);
    t.is(/state +○ untested\n +nothing has used .*authd test/.test(show.stdout), told, show.stdout);
    const status = await daemon.cli(["status"]);
    t.is(new RegExp(`^${name} .*○ untested`, "m").test(status.stdout), told, status.stdout);
    t.notRegex(status.stdout, /to do:/);
    const json = JSON.parse((await daemon.cli(["show", name, "--json"])).stdout);
    t.is(json.state, "ready");
  };
  for (const name of ["tested", "sent", "handed"]) await isUntested(name, true);
  t.is((await daemon.cli(["test", "tested"])).code, 0);
  t.is((await daemon.cli(["request", "sent", "/a"])).code, 0);
  t.is((await daemon.cli(["get", "handed"])).code, 0);
  for (const name of ["tested", "sent", "handed"]) await isUntested(name, false);
  // Other settings are no other secret.
  for (const name of ["tested", "handed"]) {
    t.is((await daemon.cli(["set", name, "--set", "ttl=60"])).code, 0);
    await isUntested(name, false);
  }
  await daemon.stop();
  const again = await startDaemon(t, { home: daemon });
  for (const name of ["tested", "handed"]) await isUntested(name, false);
  const input = { input: '{"token":"y"}' };
  t.is((await again.cli(["set", "tested", "--secrets-from", "-"], input)).code, 0);
  await isUntested("tested", true);
});

test("a key file that others can read is told with its remedy", async (t) => {
  const daemon = await startDaemon(t);
  await daemon.stop();
  chmodSync(join(daemon.stateDir, "vault", "key"), 0o644);
  const key = about((await examine(daemon)).findings, "vault key")[0];
  t.is(key?.level, "problem");
  t.regex(key?.message ?? "", /chmod 600/);
});

test("a file where the socket should be is told", async (t) => {
  const home = makeHome(t);
  const env = { AUTHD_SOCKET: join(home.folder, "file") };
  writeFileSync(env.AUTHD_SOCKET, "");
  const { stdout } = await home.cli(["doctor"], { env });
  t.regex(stdout, /^✖ socket +.* is not a socket$/m);
});
