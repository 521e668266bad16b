import { fileURLToPath } from "node:url";
import test, { type ExecutionContext } from "ava";
import { start } from "../helpers/child.ts";

const LOG = fileURLToPath(new URL("../../src/base/log.js", import.meta.url));

/** What a process of its own writes to stderr when it logs one line at each level. */
async function lines(t: ExecutionContext, level: string): Promise<Record<string, unknown>[]> {
  const script = `
    const { createLog } = await import(${JSON.stringify(LOG)});
    const log = createLog(${JSON.stringify(level)});
    for (const at of ["debug", "info", "warn", "error"]) log[at]({ credential: "demo" }, at);`;
  const { ended } = start(t, process.execPath, ["--input-type=module", "-e", script], { env: {} });
  const { stderr } = await ended;
  return stderr
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

test("lines are JSON on stderr, with what they are about", async (t) => {
  const [first] = await lines(t, "error");
  t.is(first?.credential, "demo");
  t.is(first?.msg, "error");
  t.is(first?.pid, undefined);
});

for (const [level, expected] of Object.entries({
  trace: ["debug", "info", "warn", "error"],
  info: ["info", "warn", "error"],
  warn: ["warn", "error"],
  silent: [],
})) {
  test(`level ${level} lets pass: ${expected.join(", ") || "nothing"}`, async (t) => {
    const messages = (await lines(t, level)).map(({ msg }) => msg);
    t.deepEqual(messages, expected);
  });
}
