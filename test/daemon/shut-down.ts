import { cpSync, existsSync, rmSync, symlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import test, { type ExecutionContext } from "ava";
import { makeHome, startDaemon } from "../helpers/daemon.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { ROOT } from "../helpers/sources.ts";
import { RawClient } from "../helpers/wire.ts";

/** Returns `startDaemon` of an installation that lacks one file. */
async function startOfDamaged(t: ExecutionContext, missing: string) {
  const folder = temporaryFolder(t);
  const source = join(folder, "dist", "src");
  cpSync(join(ROOT, "dist", "src"), source, { recursive: true });
  cpSync(join(ROOT, "package.json"), join(folder, "package.json"));
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  rmSync(join(source, missing));
  const { href } = pathToFileURL(join(source, "daemon", "daemon.js"));
  return ((await import(href)) as typeof import("../../src/daemon/daemon.ts")).startDaemon;
}

for (const [missing, when] of [
  ["observe/metrics.js", "before it listens"],
  ["observe/metrics-file.js", "when it listens already"],
] as const) {
  test(`a start that fails ${when} leaves neither socket nor vault taken`, async (t) => {
    const metrics = JSON.stringify(join(temporaryFolder(t), "authd.prom"));
    const home = makeHome(t, { config: { "config.toml": `metrics_file = ${metrics}\n` } });
    const damaged = await startOfDamaged(t, missing);
    const error = await t.throwsAsync(damaged({ env: home.env }));
    t.true(error?.message.includes(basename(missing)), error?.message);
    t.false(existsSync(home.socket));
    const daemon = await startDaemon(t, { home });
    t.is((await daemon.stop()).code, 0);
  });
}

test("what can't be closed keeps neither socket nor vault taken", async (t) => {
  const home = makeHome(t);
  // Without it no request can be sent, and closing what sends them fails.
  const damaged = await startOfDamaged(t, "http/transport.js");
  const daemon = await damaged({ env: home.env });
  const client = await RawClient.open(t, daemon.socket);
  const settings = { token_url: "http://127.0.0.1:1/token", client_id: "demo" };
  const given = { name: "demo", grant: "client_credentials", settings };
  client.request(1, "credentials/add", { ...given, secrets: { client_secret: "practice" } });
  t.truthy(await client.next());
  await daemon.close();
  t.false(existsSync(home.socket));
  const next = await startDaemon(t, { home });
  t.is((await next.stop()).code, 0);
});
