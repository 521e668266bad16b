import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import test from "ava";
import type { Vault } from "../../src/vault/vault.ts";
import { start } from "../helpers/child.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { openSample } from "../helpers/vault.ts";

const writer = fileURLToPath(new URL("../helpers/vault-writer.js", import.meta.url));

for (const moment of [3, 40, 111, 199])
  test(`killed after write ${moment} of 200, the old or the new content is there, whole`, async (t) => {
    const dir = temporaryFolder(t);
    const { child, says, ended } = start(t, process.execPath, [writer, dir]);
    await says(`wrote ${moment}.`);
    child.kill("SIGKILL");
    const { stdout } = await ended;
    const acknowledged = stdout.split("wrote ").length - 1;

    const { vault } = await openSample(t, dir);
    const found = (vault as unknown as Vault<{ version: number; filling: string }>).read("labelf")!;
    t.true(found.version === acknowledged || found.version === acknowledged + 1);
    t.is(found.filling, String(found.version % 10).repeat(20_000));
    t.deepEqual(readdirSync(dir).sort(), ["key", "labelf.sealed", "lock", "vault.json"]);
  });
