/** bench/fleet.ts in short: real daemons in network namespaces of their own share a real PostgreSQL. */

import { fileURLToPath } from "node:url";
import { run, start } from "../helpers/child.ts";
import { asRoot, missing } from "../helpers/optional.ts";

const FLEET = fileURLToPath(new URL("../../bench/fleet.js", import.meta.url));

asRoot(
  "hosts that are cut off, stopped and killed spend no refresh token twice, and lose none",
  async (t) => {
    const { code: may } = await run(t, "unshare", ["--net", "ip", "link", "set", "lo", "up"]);
    if (may !== 0)
      return missing(t, "needs ip (package iproute2), and a root that may make namespaces");
    t.timeout(300_000);
    const parts = ["calm", "cut from the store", "stopped", "killed"];
    const few = ["--hosts=3", "--credentials=1", "--seconds=4", "--points=3"];
    const args = [FLEET, ...few, ...parts.map((part) => `--only=${part}`)];
    const { child, ended } = start(t, process.execPath, args, { detached: true });
    t.teardown(() => {
      // Its daemons, too, if it did not come to its end.
      if (child.exitCode === null) process.kill(-child.pid!, "SIGKILL");
    });
    const { code, stdout, stderr } = await ended;
    t.is(code, 0, `${stdout}\n${stderr}`);
    t.is(stdout.match(/spent twice +≤ 0 +0/g)?.length, parts.length, stdout);
    t.is(stdout.match(/lost outside the window +≤ 0 +0/g)?.length, parts.length, stdout);
  },
);
