import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { startLabelf } from "../../src/sandbox/labelf.ts";
import { startDaemon } from "../helpers/daemon.ts";
import { onLinux } from "../helpers/optional.ts";
import { ENTER, onTerminal } from "../helpers/terminal.ts";

/** A daemon with one credential whose file now sends secrets elsewhere. */
async function edited(t: ExecutionContext) {
  const api = await startLabelf();
  t.teardown(() => api.close());
  const daemon = await startDaemon(t);
  t.is((await daemon.add("labelf", api)).code, 0);
  const file = join(daemon.configDir, "credentials", "labelf.toml");
  const { token_url: url } = api.credential.settings;
  const text = readFileSync(file, "utf8");
  writeFileSync(file, text.replace(`${url}`, `${url}/elsewhere`));
  await daemon.cli(["reload"]);
  const state = async () =>
    JSON.parse((await daemon.cli(["show", "labelf", "--json"])).stdout).state;
  return { daemon, url, state };
}

test("trust shows what was edited; without a terminal only --yes trusts it", async (t) => {
  const { daemon, url, state } = await edited(t);
  const shown = await daemon.cli(["show", "labelf"]);
  for (const { stdout } of [shown, await daemon.cli(["trust", "labelf"])]) {
    t.true(stdout.includes(`token_url\n    was  ${url}\n    is   ${url}/elsewhere\n`), stdout);
  }
  const asked = await daemon.cli(["trust", "labelf"]);
  t.is(asked.code, 2);
  t.regex(asked.stderr, /nothing was trusted.*authd trust labelf --yes/);
  t.is(await state(), "changed");
  const trusted = await daemon.cli(["trust", "labelf", "--yes"]);
  t.regex(trusted.stdout, /elsewhere/);
  t.not(await state(), "changed");
});

test("trust of a file that is broken since it was read says where, and nothing else", async (t) => {
  const { daemon } = await edited(t);
  const file = join(daemon.configDir, "credentials", "labelf.toml");
  const text = readFileSync(file, "utf8");
  writeFileSync(file, `${text}\nbroken = \n`);
  for (const args of [
    ["trust", "labelf"],
    ["trust", "labelf", "--yes"],
  ]) {
    const { code, stdout, stderr } = await daemon.cli(args);
    t.is(code, 5);
    t.is(stdout, "");
    t.true(stderr.includes(`labelf: nothing was trusted: ${file}, line `), stderr);
    t.regex(stderr, /authd edit labelf/);
  }
});

onLinux("trust asks on a terminal", async (t) => {
  const { daemon, state } = await edited(t);
  const no = onTerminal(t, daemon, ["trust", "labelf"]);
  await no.type("Trust labelf as its file says now?", ENTER);
  t.is((await no.ended).code, 1);
  t.is(await state(), "changed");
  const yes = onTerminal(t, daemon, ["trust", "labelf"]);
  await yes.type("Trust labelf as its file says now?", "y");
  const { stdout } = await yes.ended;
  t.regex(stdout, /was {2}.*http.*[\s\S]*is {3}.*elsewhere/);
  t.not(await state(), "changed");
});
