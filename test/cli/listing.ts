import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { startLabelf } from "../../src/sandbox/labelf.ts";
import { startRealtyna } from "../../src/sandbox/realtyna.ts";
import { start } from "../helpers/child.ts";
import { MAIN, startDaemon } from "../helpers/daemon.ts";

test("list, show and status tell people and programs the same", async (t) => {
  const api = await startRealtyna();
  t.teardown(() => api.close());
  const daemon = await startDaemon(t);
  t.regex((await daemon.cli(["list"])).stdout, /No credentials yet/);
  t.is((await daemon.add("homes", api)).code, 0);

  const list = await daemon.cli(["list"]);
  t.regex(
    list.stdout,
    /^NAME +API +STATE +EXPIRES +LAST USE +NEXT REFRESH\nhomes +127\.0\.0\.1:\d+ +● ready +in /,
  );
  const { credentials } = JSON.parse((await daemon.cli(["list", "--json"])).stdout);
  t.is(credentials[0].name, "homes");

  const show = await daemon.cli(["show", "homes"]);
  t.regex(show.stdout, /^homes\n {2}state +● ready\n {2}preset +realtyna\n/);
  t.true(show.stdout.includes(new URL(api.url).origin));
  const shown = JSON.parse((await daemon.cli(["show", "homes", "--json"])).stdout);
  t.is(shown.state, "ready");
  for (const secret of Object.values(api.credential.secrets)) {
    t.false(show.stdout.includes(secret) || JSON.stringify(shown).includes(secret));
  }

  const status = await daemon.cli(["status"]);
  t.regex(status.stdout, /^authd \S+ · pid \d+ · up \d+ s · 1 credential · /);
  t.true(status.stdout.includes(daemon.socket));
  const json = JSON.parse((await daemon.cli(["status", "--json"])).stdout);
  t.is(json.daemon.pid, daemon.pid);
  t.is(json.credentials.length, 1);
});

test("status --watch in a pipe is a line a change", async (t) => {
  const api = await startLabelf();
  t.teardown(() => api.close());
  const daemon = await startDaemon(t);
  t.is((await daemon.add("labelf", api)).code, 0);
  const args = (more: string[]) => [MAIN, "status", "--watch", ...more];
  const lines = start(t, process.execPath, args([]), { env: daemon.env });
  const json = start(t, process.execPath, args(["--json"]), { env: daemon.env });
  await lines.says("labelf is ready, expires in");
  await json.says('{"credentials":[{"name":"labelf"');
  // Subscribed a moment after the list is printed: refresh until both have told.
  const told = Promise.all([lines.says("has a new token"), json.says('"token/refreshed"')]);
  const refreshing = setInterval(() => void daemon.cli(["refresh", "labelf"]), 1_500);
  await told.finally(() => clearInterval(refreshing));

  await daemon.stop();
  t.is((await lines.ended).code, 7);
  t.is((await json.ended).code, 7);
});

test("test says what came back, refresh gets a new token, remove leaves nothing", async (t) => {
  const api = await startLabelf();
  t.teardown(() => api.close());
  const daemon = await startDaemon(t);
  t.is((await daemon.add("labelf", api)).code, 0);
  const tested = await daemon.cli(["test", "labelf"]);
  t.regex(tested.stdout, /^✔ labelf: .*200/);
  t.true(JSON.parse((await daemon.cli(["test", "labelf", "--json"])).stdout).verified);

  const { tokenRequests } = api.stats;
  t.regex((await daemon.cli(["refresh", "labelf"])).stdout, /labelf refreshed: ● ready/);
  t.is(api.stats.tokenRequests, tokenRequests + 1);

  api.fail("down", "api");
  const down = await daemon.cli(["test", "labelf"]);
  t.is(down.code, 1);
  t.regex(down.stdout, /^✖ labelf: .*503/);

  t.is((await daemon.cli(["remove", "labelf"])).code, 0);
  t.is((await daemon.cli(["show", "labelf"])).code, 4);
  t.is((await daemon.cli(["remove", "labelf"])).code, 4);
});

test("a file that was edited is not used until it is trusted", async (t) => {
  const api = await startLabelf();
  t.teardown(() => api.close());
  const daemon = await startDaemon(t);
  t.is((await daemon.add("labelf", api)).code, 0);
  t.regex((await daemon.cli(["reload"])).stdout, /Nothing changed/);
  const file = join(daemon.configDir, "credentials", "labelf.toml");
  appendFileSync(file, '\n[headers]\nx-more = "{token}"\n');
  const reloaded = await daemon.cli(["reload"]);
  t.regex(reloaded.stdout, /^Changed: labelf\n.*not in effect until.*authd trust labelf\n$/);
  const refused = await daemon.cli(["get", "labelf"]);
  t.is(refused.code, 5);
  t.regex(refused.stderr, /authd trust labelf/);
  t.is((await daemon.cli(["trust", "labelf", "--yes"])).code, 0);
  t.is((await daemon.cli(["get", "labelf"])).code, 0);
});

test("reload says which settings of the daemon took effect, and which wait for a restart", async (t) => {
  const daemon = await startDaemon(t, { config: { "config.toml": "" } });
  writeFileSync(join(daemon.configDir, "config.toml"), 'notify = false\nlog_level = "debug"\n');
  const { code, stdout, stderr } = await daemon.cli(["reload"]);
  t.is(code, 1);
  t.is(stdout, "Took effect: notify\n");
  t.regex(stderr, /config\.toml: log_level: an edit takes effect when authd is restarted/);
  const json = JSON.parse((await daemon.cli(["reload", "--json"])).stdout);
  t.like(json, { changed: [], daemon: [], restart: ["log_level"] });
});

test("reload names what is broken, and is exit 1 then", async (t) => {
  const daemon = await startDaemon(t, { config: { "credentials/.keep": "" } });
  writeFileSync(join(daemon.configDir, "credentials", "broken.toml"), 'preset = "labeff"\n');
  const { code, stdout, stderr } = await daemon.cli(["reload"]);
  t.is(code, 1);
  t.regex(stdout, /Nothing changed/);
  t.regex(stderr, /broken\.toml.*Did you mean "labelf"/);
  const json = JSON.parse((await daemon.cli(["reload", "--json"])).stdout);
  t.is(json.errors.length, 1);
});
