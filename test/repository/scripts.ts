/** The npm scripts, in a checkout of their own. */

import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { copyCheckout } from "../helpers/checkout.ts";
import { run, start } from "../helpers/child.ts";
import { onLinux } from "../helpers/optional.ts";
import { ROOT } from "../helpers/sources.ts";
import { CTRL_C } from "../helpers/terminal.ts";

test("package-lock.json names no registry, and every package of every platform", (t) => {
  const text = readFileSync(join(ROOT, "package-lock.json"), "utf8");
  t.notRegex(text, /"resolved"/);
  const { packages } = JSON.parse(text) as {
    packages: Record<string, { optionalDependencies?: object; integrity?: string }>;
  };
  for (const [path, { optionalDependencies = {}, integrity }] of Object.entries(packages)) {
    if (path !== "") t.truthy(integrity, path);
    // npm leaves out what its registry lacks, and refuses the file everywhere else (npm ci).
    for (const name of Object.keys(optionalDependencies))
      t.true(`node_modules/${name}` in packages, `${name} of ${path}`);
  }
});

test("unit tests are those of the rooms that start no process", async (t) => {
  const { unitTests } = (await import(join(ROOT, "scripts/unit-tests.mjs"))) as {
    unitTests(): string[];
  };
  const names = unitTests();
  t.true(names.length > 90);
  for (const name of ["credential/registry", "grants/index", "vault/sealed-file", "rpc/server"])
    t.true(names.includes(`dist/test/${name}.js`), name);
  for (const name of names)
    t.notRegex(
      name,
      /^dist\/test\/(clients|conformance|helpers|e2e|native|properties|repository|servers|tools|windows)\//,
    );
  // These start a program by themselves, through a helper, and by what they test.
  for (const name of ["base/child", "rpc/peer", "observe/hook"])
    t.false(names.includes(`dist/test/${name}.js`), name);
});

test("a unit test that starts a process fails", async (t) => {
  const guard = join(ROOT, "scripts/no-processes.mjs");
  const program = 'import { spawn } from "node:child_process"; spawn("true");';
  const { code, stderr } = await run(t, process.execPath, [
    ...["--import", guard, "--input-type=module", "--eval", program],
  ]);
  t.is(code, 1);
  t.regex(stderr, /a unit test starts no process: true/);
});

test("test:file says which files it can't run", async (t) => {
  const file = (...args: string[]) =>
    run(t, process.execPath, [join(ROOT, "scripts/test-file.mjs"), ...args], { cwd: ROOT });
  for (const args of [[], ["test/nowhere.ts"], ["src/client.ts"], ["--tap"]]) {
    const { code, stderr } = await file(...args);
    t.is(code, 2);
    t.regex(stderr, /npm run test:file test\/credential\/token\.ts/);
  }
});

onLinux("npm start builds and runs the sandbox; Ctrl-C leaves nothing behind", async (t) => {
  const checkout = copyCheckout(t);
  const TMPDIR = join(checkout, "..", "tmp");
  mkdirSync(TMPDIR);
  const npm = start(t, "script", ["-qefc", "npm start", "/dev/null"], {
    cwd: checkout,
    // npm itself would keep compiled code there.
    env: { ...process.env, TMPDIR, SHELL: "/bin/sh", NODE_DISABLE_COMPILE_CACHE: "1" },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const shown = await npm.says("Ctrl-C");
  // npm's own notes may name what is wrong with a user's settings, but nothing of ours.
  t.notRegex(shown, /npm warn (?!Unknown (user|env) config)/i);
  t.true(statSync(join(checkout, "dist/src/main.js")).mode % 2 === 1, "it can be executed");
  const pids = pidsUnder(checkout);
  t.is(pids.length, 2, "the sandbox and its daemon");
  npm.child.stdin!.write(CTRL_C);
  const { code, stdout } = await npm.ended;
  // The sandbox ends with 0; npm's shell may tell of the signal.
  t.true(code === 0 || code === 130, stdout);
  t.regex(stdout, /Everything is put away/);
  t.deepEqual(pidsUnder(checkout), []);
  t.deepEqual(readdirSync(TMPDIR), []);
});

/** The processes that run the program of a checkout. */
function pidsUnder(checkout: string): string[] {
  const main = `\0${join(checkout, "dist/src/main.js")}\0`;
  return readdirSync("/proc").filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(main);
    } catch {
      return false;
    }
  });
}

test("a build keeps what did not change, removes what has no source, and fails as a whole; test:file builds, too", async (t) => {
  const checkout = copyCheckout(t);
  const build = () => run(t, process.execPath, ["scripts/build.mjs"], { cwd: checkout });
  // Two at once: one waits for the other.
  const both = await Promise.all([build(), build()]);
  for (const { code, stdout, stderr } of both) t.is(code, 0, stdout + stderr);
  const main = join(checkout, "dist/src/main.js");
  const before = statSync(main);
  const leftover = join(checkout, "dist/src/gone.js");
  writeFileSync(leftover, "");
  t.is((await build()).code, 0);
  t.is(statSync(main).ino, before.ino);
  t.false(existsSync(leftover));

  const named = ["scripts/test-file.mjs", "test/base/suggest.ts", "--tap"];
  const tested = await run(t, process.execPath, named, { cwd: checkout });
  t.is(tested.code, 0, tested.stdout);
  t.regex(tested.stdout, /^# fail 0$/m);

  writeFileSync(join(checkout, "src/wrong.ts"), "export const text: string = 1;\n");
  const { code, stdout } = await build();
  t.is(code, 1);
  t.regex(stdout, /src\/wrong\.ts.*TS2322/);
  t.false(existsSync(join(checkout, "dist/src/wrong.js")));
  t.deepEqual(
    readdirSync(checkout).filter((name) => [".dist", ".turn"].includes(name)),
    [],
  );
});
