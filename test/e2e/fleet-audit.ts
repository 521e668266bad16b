/** Which host a line of the audit log is of. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { AuditLine } from "../../src/audit/entry.ts";
import { type Daemon, startDaemon } from "../helpers/daemon.ts";
import { addStatic, letIn, startHost, succeeded } from "../helpers/fleet.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { onUnix as test } from "../helpers/optional.ts";

function linesOf({ stateDir }: Daemon): AuditLine[] {
  const text = readFileSync(join(stateDir, "audit.log"), "utf8").trimEnd();
  return text.split("\n").map((line) => JSON.parse(line));
}

test("a daemon that shares a store says in each line which host it is, and the log is whole", async (t) => {
  const store = { url: pathToFileURL(join(temporaryFolder(t), "store")).href };
  const one = await startHost(t, store, "one");
  await addStatic(t, one, "fixed");
  succeeded(t, await one.cli(["vault", "move", "--to", store.url]));
  const two = await startHost(t, store, "two");
  await letIn(t, store, one, two);
  for (const [host, name] of [[one, "one"] as const, [two, "two"] as const]) {
    succeeded(t, await host.cli(["get", "fixed"]));
    succeeded(t, await host.cli(["audit", "verify"]));
    const uses = linesOf(host).filter(({ event }) => event === "use");
    t.deepEqual(
      uses.map((line) => line.host),
      [name],
    );
    const { stdout } = succeeded(t, await host.cli(["audit", "--host", name]));
    t.regex(stdout, new RegExp(`getToken .* on ${name}`));
    t.is(succeeded(t, await host.cli(["audit", "--host", "three", "--json"])).stdout, "");
  }
  succeeded(t, await one.cli(["fleet", "remove", "two"]));
  succeeded(t, await one.cli(["vault", "move", "--to", "file:"]));
  succeeded(t, await one.cli(["get", "fixed"]));
  succeeded(t, await one.cli(["audit", "verify"]));
  // A log has lines of before the store, with it, and of after it.
  const last = linesOf(one).at(-1)!;
  t.is(last.event, "use");
  t.false("host" in last);
});

test("without a store no line names a host", async (t) => {
  const plain = await startDaemon(t);
  await addStatic(t, plain, "fixed");
  succeeded(t, await plain.cli(["get", "fixed"]));
  succeeded(t, await plain.cli(["audit", "verify"]));
  t.deepEqual(
    linesOf(plain).filter((line) => "host" in line),
    [],
  );
});
