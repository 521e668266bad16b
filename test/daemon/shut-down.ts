import { cpSync, existsSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import test, { type ExecutionContext } from "ava";
import { makeHome, startDaemon } from "../helpers/daemon.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { ROOT } from "../helpers/sources.ts";

/** Returns `startDaemon` of an installation that lacks one file of src/observe. */
async function startOfDamaged(t: ExecutionContext, missing: string) {
  const folder = temporaryFolder(t);
  const source = join(folder, "dist", "src");
  cpSync(join(ROOT, "dist", "src"), source, { recursive: true });
  cpSync(join(ROOT, "package.json"), join(folder, "package.json"));
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  rmSync(join(source, "observe", missing));
  const { href } = pathToFileURL(join(source, "daemon", "daemon.js"));
  return ((await import(href)) as typeof import("../../src/daemon/daemon.ts")).startDaemon;
}

for (const [missing, when] of [
  ["metrics.js", "before it listens"],
  ["metrics-file.js", "when it listens already"],
] as const) {
  test(`a start that fails ${when} leaves neither socket nor vault taken`, async (t) => {
    const metrics = JSON.stringify(join(temporaryFolder(t), "authd.prom"));
    const home = makeHome(t, { config: { "config.toml": `metrics_file = ${metrics}\n` } });
    const damaged = await startOfDamaged(t, missing);
    const error = await t.throwsAsync(damaged({ env: home.env }));
    t.true(error?.message.includes(missing), error?.message);
    t.false(existsSync(home.socket));
    const daemon = await startDaemon(t, { home });
    t.is((await daemon.stop()).code, 0);
  });
}
