import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { removeFolder } from "../../src/base/remove-folder.ts";
import { until } from "../helpers/until.ts";

test("a folder goes with all in it, and one that is not there is no mistake", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "authd-"));
  mkdirSync(join(folder, "a", "b"), { recursive: true });
  removeFolder(folder);
  t.false(existsSync(folder));
  t.notThrows(() => removeFolder(folder));
});

test("a folder goes although a program still writes into it", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "authd-"));
  const script = `
    const { mkdirSync, writeFileSync } = require("node:fs");
    const end = Date.now() + 200;
    try {
      for (let i = 0; Date.now() < end; i++) {
        mkdirSync(process.argv[1], { recursive: true });
        writeFileSync(process.argv[1] + "/" + i, "x");
      }
    } catch {}
  `;
  const inner = join(folder, "inner");
  const writer = spawn(process.execPath, ["-e", script, inner]);
  const ended = new Promise((resolve) => writer.once("exit", resolve));
  await until(() => existsSync(inner) && readdirSync(inner).length > 0);
  t.notThrows(() => removeFolder(folder));
  await ended;
  removeFolder(folder);
  t.false(existsSync(folder));
});
