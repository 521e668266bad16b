import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeHome } from "../helpers/daemon.ts";
import { onLinux } from "../helpers/optional.ts";
import { writeProgram } from "../helpers/program.ts";

onLinux(
  "logs shows the journal of the installed unit, and says where the log is otherwise",
  async (t) => {
    const home = makeHome(t);
    const none = await home.cli(["logs"]);
    t.is(none.code, 1);
    t.regex(none.stderr, /not installed as a service.*authd serve writes it to its standard error/);

    const units = join(home.folder, ".config", "systemd", "user");
    mkdirSync(units, { recursive: true });
    writeFileSync(join(units, "authd.service"), "[Service]\nExecStart=/usr/bin/authd serve\n");
    writeProgram(join(home.folder, "journalctl"), 'echo "journalctl $*"');
    writeProgram(join(home.folder, "systemctl"), "exit 0");
    const env = { PATH: `${home.folder}:${process.env.PATH}` };
    const shown = await home.cli(["logs", "-n", "7"], { env });
    t.is(
      shown.stdout,
      "journalctl --user --unit=authd.service --lines=7 --no-pager\n",
      shown.stderr,
    );
    const followed = await home.cli(["logs", "--follow"], { env });
    t.is(followed.stdout, "journalctl --user --unit=authd.service --lines=50 --follow\n");
    t.is((await home.cli(["logs", "-n", "x"], { env })).code, 2);
  },
);
