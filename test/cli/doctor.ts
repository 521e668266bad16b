import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import type { Finding } from "../../src/cli/doctor/finding.ts";
import { startLabelf } from "../../src/sandbox/labelf.ts";
import { type Home, makeHome, startDaemon } from "../helpers/daemon.ts";

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
  t.deepEqual(levels("over"), ["ok", "problem"]);
  t.deepEqual(levels("later"), ["ok"]);
  t.deepEqual(levels("refused"), ["problem"]);
  t.is(about(findings, "refused")[0]?.fix, "authd set refused");
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
