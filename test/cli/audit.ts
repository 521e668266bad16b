import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { inWords } from "../../src/cli/audit/show.ts";
import { connect } from "../../src/client.ts";
import { start } from "../helpers/child.ts";
import { MAIN, makeHome, startDaemon } from "../helpers/daemon.ts";

const secrets = { token: "not-a-real-token" };
const settings = { origins: ["http://127.0.0.1:1"] };

test("audit shows who used what, of one credential if asked; --json is as in the file", async (t) => {
  const daemon = await startDaemon(t);
  const client = connect({ socket: daemon.socket });
  t.teardown(() => client.close());
  for (const name of ["one", "two"]) {
    await client.request("credentials/add", { name, grant: "static", settings, secrets });
    await client.getToken({ credential: name });
  }
  const verified = await daemon.cli(["audit", "verify"]);
  t.is(verified.code, 0, verified.stdout);
  t.regex(verified.stdout, /✔ 5 lines, number 1 to 5: all as written/);
  const { stdout } = await daemon.cli(["audit", "--credential", "two", "--since", "1h"]);
  const shown = stdout.trimEnd().split("\n");
  t.is(shown.length, 2);
  t.regex(shown[0] ?? "", / two credentials\/add ok .*process \d+, user \d+/);
  t.regex(shown[1] ?? "", / two getToken ok token [0-9a-f]{12} /);
  const json = await daemon.cli(["audit", "--json", "--credential", "one"]);
  const lines = json.stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  t.deepEqual(
    lines.map(({ n, method }) => [n, method]),
    [
      [2, "credentials/add"],
      [3, "getToken"],
    ],
  );
  const none = await daemon.cli(["audit", "--since", "0s"]);
  t.is(none.stdout, "");
});

test("audit --follow shows what is added", async (t) => {
  const daemon = await startDaemon(t);
  const client = connect({ socket: daemon.socket });
  t.teardown(() => client.close());
  const follower = start(t, process.execPath, [MAIN, "audit", "--follow"], { env: daemon.env });
  await follower.says("started");
  await client.request("credentials/add", { name: "one", grant: "static", settings, secrets });
  await follower.says("credentials/add ok");
  t.pass();
});

test("audit verify names file and line of what was changed, and its exit code is 1", async (t) => {
  const home = makeHome(t);
  const daemon = await startDaemon(t, { home });
  await daemon.cli(["get", "missing"]);
  await daemon.stop();
  const path = join(home.stateDir, "audit.log");
  const { readFileSync } = await import("node:fs");
  writeFileSync(path, readFileSync(path, "utf8").replace("unknown_credential", "ok"));
  const { code, stdout } = await home.cli(["audit", "verify"]);
  t.is(code, 1);
  t.true(stdout.includes(`✖ ${path}, line 2: (number 2)`), stdout);
  const json = JSON.parse((await home.cli(["audit", "verify", "--json"])).stdout);
  t.is(json.ok, false);
  t.is(json.flaws[0].line, 2);
});

test("names in it can't steer the terminal", (t) => {
  const line = inWords(
    {
      ...({ v: 1, n: 1, prev: "", time: 0, event: "use", outcome: "ok" } as const),
      credential: "a\u001b[31m",
      peer: { program: "/tmp/\u001b]0;title\u0007x", script: "a\nb\u202e" },
    },
    (_style, text) => text,
  );
  t.notRegex(line, /[\u0000-\u001f\u202e]/);
});
