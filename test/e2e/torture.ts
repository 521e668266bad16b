import { fileURLToPath } from "node:url";
import test from "ava";
import { start } from "../helpers/child.ts";

const TORTURE = fileURLToPath(new URL("../../bench/torture.js", import.meta.url));

for (const [issuer, args] of Object.entries({
  "at an issuer that forgives nothing, only through the window that no client can close": [],
  "at an issuer with a grace, not at all": ["--grace=30"],
})) {
  test.serial(
    `killed at random instants while clients ask, no session is lost ${issuer}`,
    async (t) => {
      const { child, ended } = start(t, process.execPath, [TORTURE, "--kills=10", ...args], {
        detached: true,
      });
      t.teardown(() => {
        // Its daemon, too, if it did not come to its end.
        if (child.exitCode === null) process.kill(-child.pid!, "SIGKILL");
      });
      const { code, stdout, stderr } = await ended;
      t.is(code, 0, `${stdout}\n${stderr}`);
      t.regex(stdout, /failures +≤ 0 +0/);
      t.log(stderr.trim());
    },
  );
}
