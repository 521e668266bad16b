/** bench/fleet.ts in short: real daemons in network namespaces of their own share a real PostgreSQL. */

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { start } from "../helpers/child.ts";
import { asRoot, missing } from "../helpers/optional.ts";

const FLEET = fileURLToPath(new URL("../../bench/fleet.js", import.meta.url));
const IP = ["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip", "/bin/ip"];

asRoot(
  "hosts that are cut off, stopped and killed spend no refresh token twice, and lose none",
  async (t) => {
    if (!IP.some((path) => existsSync(path))) return missing(t, "needs ip (package iproute2)");
    t.timeout(300_000);
    const parts = ["calm", "cut from the store", "stopped", "killed"];
    const few = ["--hosts=4", "--credentials=2", "--seconds=6", "--points=3"];
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
