/** A workload's token through the daemon: nothing is entered, and programs run only where config.toml says so. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeHome, startDaemon } from "../helpers/daemon.ts";
import { startIssuer } from "../helpers/issuer.ts";
import { onUnix } from "../helpers/optional.ts";

const TOKEN = { json: { access_token: "one", token_type: "Bearer", expires_in: 600 } };

onUnix("a program's output is exchanged with subject_exec, and only with it", async (t) => {
  const issuer = await startIssuer(t, TOKEN);
  for (const isOn of [true, false]) {
    const home = makeHome(t);
    mkdirSync(home.configDir, { recursive: true, mode: 0o700 });
    if (isOn) writeFileSync(join(home.configDir, "config.toml"), "subject_exec = true\n");
    const daemon = await startDaemon(t, { home });
    const added = await daemon.cli([
      ...["add", "work", "--grant", "token_exchange", "--set", `token_url=${issuer.url}`],
      ...["--set", "subject.exec=/bin/echo", "--set", "subject.exec=a-subject"],
    ]);
    const got = await daemon.cli(["get", "work"]);
    if (isOn) {
      t.is(added.code, 0, added.stderr);
      t.is(got.stdout, "one\n");
    } else {
      t.is(got.code, 7, got.stderr);
      t.regex(got.stderr, /subject_exec = true in config\.toml/);
    }
  }
  t.is(issuer.requests.length, 1);
  t.is(issuer.requests[0]!.form.get("subject_token"), "a-subject");
});
