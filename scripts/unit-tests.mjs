// Names the compiled test files that test one module in this process: they start no program.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { root } from "./setup.mjs";

const tests = join(root, "dist/test");
const IMPORT = /(?:from |import\()"([^"]+)"/g;
/** Folders without a room in src, and test files that wait on the real clock or run what src starts. */
const OTHERS = new RegExp(
  `^(?:${[
    "[^/]+\\.js$",
    "(?:abuse|bad-input|clients|conformance|e2e|helpers|native|properties|repository|servers|store|system|tools|windows)/",
    "access/approvals/desktop-prompt\\.js",
    "base/open-browser\\.js",
    "cli/service-system\\.js",
    "config/parse-policy\\.js",
    "credential/(?:subject-token|superseded)\\.js",
    "lock/slow-answers\\.js",
    "observe/(?:desktop-notifier|hook|alerts|metrics-endpoint|metrics-file)\\.js",
    "sandbox/(?:tour|variants)\\.js",
  ].join("|")})`,
);

/** Paths below the root, such as dist/test/credential/registry.js. */
export function unitTests() {
  const names = readdirSync(tests, { recursive: true }).filter((name) => name.endsWith(".js"));
  const isUnitTest = (name) => !OTHERS.test(name) && !startsPrograms(join(tests, name));
  return names.filter(isUnitTest).map((name) => relative(root, join(tests, name)));
}

/** True if a file of the tests, or a helper that it imports, imports node:child_process. */
function startsPrograms(file, seen = new Set()) {
  seen.add(file);
  const imports = Array.from(readFileSync(file, "utf8").matchAll(IMPORT), ([, name]) => name);
  if (imports.includes("node:child_process")) return true;
  const helpers = imports
    .filter((name) => name.startsWith(".") && !name.includes("/src/"))
    .map((name) => join(dirname(file), name));
  return helpers.some((helper) => !seen.has(helper) && startsPrograms(helper, seen));
}
