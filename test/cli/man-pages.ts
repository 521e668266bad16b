import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { commands } from "../../src/cli/commands.ts";
import { manPages } from "../../src/cli/man-pages.ts";
import { run } from "../helpers/child.ts";
import { absent, missing } from "../helpers/optional.ts";
import { ROOT } from "../helpers/sources.ts";

const folder = join(ROOT, "man");

test("the manual pages are those of the commands as they are: npm run man", async (t) => {
  const pages = await manPages();
  t.deepEqual(readdirSync(folder).sort(), [...pages.keys()].sort());
  for (const [name, text] of pages) t.is(readFileSync(join(folder, name), "utf8"), text, name);
  t.deepEqual(
    [...pages.keys()].sort(),
    ["authd.1", ...Object.keys(commands).map((name) => `authd-${name}.1`)].sort(),
  );
});

test("the package brings its manual pages", (t) => {
  const { files, man } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  t.true(files.includes("man"));
  t.deepEqual(
    man.toSorted(),
    readdirSync(folder)
      .map((name) => `man/${name}`)
      .sort(),
  );
});

test("groff takes every page without a warning", async (t) => {
  if (absent("groff").length > 0) return missing(t, "groff is not installed");
  const paths = readdirSync(folder).map((name) => join(folder, name));
  const { code, stdout, stderr } = await run(t, "groff", ["-man", "-Tutf8", "-ww", ...paths]);
  t.is(code, 0);
  t.is(stderr, "");
  t.regex(stdout.replaceAll(/\x1b\[[\d;]*m/g, ""), /authd-get - print an access token/);
});
