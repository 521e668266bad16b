import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { NAMES, wordsOf } from "../../src/cli/names.ts";
import { ROOT } from "../helpers/sources.ts";

test("a name stands for words, another for none", (t) => {
  t.deepEqual(wordsOf("git-credential-authd", ["get"]), ["helper", "git", "get"]);
  t.deepEqual(wordsOf("keyring", ["get", "x"]), ["helper", "pip", "get", "x"]);
  for (const name of ["authd", "main.js", "constructor", ""])
    t.deepEqual(wordsOf(name, ["get", "x"]), ["get", "x"]);
});

test("the package installs the command by each of its names", (t) => {
  const { bin } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  t.deepEqual(Object.keys(bin).sort(), ["authd", ...Object.keys(NAMES)].sort());
  t.deepEqual([...new Set(Object.values(bin))], ["dist/src/main.js"]);
});
