/** What hosts of a store are called where their environment says it: real daemons, and a store in a folder. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Daemon, startDaemon } from "../helpers/daemon.ts";
import { addStatic, letIn, succeeded } from "../helpers/fleet.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { onUnix as test } from "../helpers/optional.ts";
import { until } from "../helpers/until.ts";

test("a host moves in, joins and starts again by the name that its environment gives", async (t) => {
  const store = { url: pathToFileURL(join(temporaryFolder(t), "store")).href };
  const called = (host: string, home?: Daemon) =>
    startDaemon(t, { ...(home && { home }), env: { AUTHD_STORE_HOST: host } });
  const node = `ip-10-0-0-1.${"compute.".repeat(12)}internal`;
  const [one, two] = [await called("one"), await called(node)];
  await addStatic(t, one, "mine");
  const moved = succeeded(t, await one.cli(["vault", "move", "--to", store.url, "--json"]));
  t.is(JSON.parse(moved.stdout).host, "one");
  t.is((await one.cli(["vault", "move", "--to", store.url])).code, 0, "it is done already");
  await letIn(t, store, one, two);

  const isIn = (daemon: Daemon) =>
    until(async () => /store: it is reached/.test((await daemon.cli(["health"])).stdout));
  const hosts = async (daemon: Daemon) => {
    const { stdout } = succeeded(t, await daemon.cli(["fleet", "status", "--json"]));
    const status = JSON.parse(stdout) as { host: string; hosts: { name: string }[] };
    return { own: status.host, all: status.hosts.map(({ name }) => name) };
  };
  const { own, all } = await hosts(two);
  t.regex(own, /^ip-10-0-0-1\.[a-z.]+-[0-9a-f]{16}$/);
  t.is(own.length, 64);
  t.deepEqual([...all].sort(), [own, "one"]);

  // Also without the variable: config.toml says the name from then on.
  for (const env of [{ AUTHD_STORE_HOST: node }, { AUTHD_STORE_HOST: "" }]) {
    await two.stop();
    const again = await startDaemon(t, { home: two, env });
    await isIn(again);
    t.deepEqual(await hosts(again), { own, all });
    t.is((await again.cli(["get", "mine"])).stdout, "token-of-mine\n");
    await again.stop();
  }
  await one.stop();
  const first = await called("one", one);
  await isIn(first);
  t.is((await hosts(first)).own, "one");
  t.regex(readFileSync(join(first.configDir, "config.toml"), "utf8"), /^host = "one"$/m);
});
