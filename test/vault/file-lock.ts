import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { lockVault } from "../../src/vault/file-lock.ts";
import { start } from "../helpers/child.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { openSample } from "../helpers/vault.ts";

const holder = fileURLToPath(new URL("../helpers/vault-holder.js", import.meta.url));

test("a second daemon is told which process has the vault open", async (t) => {
  const dir = temporaryFolder(t);
  const { child, says } = start(t, process.execPath, [holder, dir]);
  await says("open");
  await t.throwsAsync(openSample(t, dir), {
    name: "AuthdError",
    message: new RegExp(`${dir} is in use by another authd \\(process ${child.pid}\\)`),
  });
});

test("a daemon that is killed leaves no lock behind", async (t) => {
  const dir = temporaryFolder(t);
  const { child, says, ended } = start(t, process.execPath, [holder, dir]);
  await says("open");
  child.kill("SIGKILL");
  await ended;
  const { vault } = await openSample(t, dir);
  t.is(vault.locked, undefined);
});

test("of several that open at once, one wins, and close gives the vault up", async (t) => {
  const dir = temporaryFolder(t);
  const outcomes = await Promise.allSettled([1, 2, 3, 4].map(() => openSample(t, dir)));
  const won = outcomes.flatMap((outcome) =>
    outcome.status === "fulfilled" ? [outcome.value] : [],
  );
  t.is(won.length, 1);
  await won[0]!.vault.close();
  const { vault } = await openSample(t, dir);
  t.is(vault.locked, undefined);
});

test("the lock file names the process; a child process does not inherit the lock", async (t) => {
  const dir = temporaryFolder(t);
  const lock = await lockVault(dir);
  t.is(readFileSync(join(dir, "lock"), "utf8"), `${process.pid}\n`);
  const { says } = start(t, process.execPath, ["-e", "console.log('up');setInterval(()=>{},1e4)"]);
  await says("up");
  await lock.release();
  await (await lockVault(dir)).release();
  t.pass();
});

test("a lock whose file was deleted protects nothing, and knows it", async (t) => {
  const dir = temporaryFolder(t);
  const lock = await lockVault(dir);
  t.true(lock.held());
  rmSync(join(dir, "lock"));
  t.false(lock.held());
  const other = await lockVault(dir);
  t.false(lock.held());
  await lock.release();
  await other.release();
});
