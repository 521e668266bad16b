/** The Task Scheduler's entry, in folders with spaces and letters beyond ASCII. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { unescapeXml } from "../../src/service/plist.ts";
import { taskScheduler } from "../../src/service/task-scheduler.ts";
import { onWindows, windowsHome } from "../helpers/windows/home.ts";
import { windowsPath } from "../helpers/windows/host.ts";

const windowsTest = onWindows();

/** Whoever is the first to need a desktop starts it, and Wine's holds what it inherits: here nothing. */
const DESKTOP = "require('child_process').spawnSync('schtasks', ['/Query'], { stdio: 'ignore' })";

windowsTest(
  "service install makes a task that starts authd; uninstall removes it",
  async (t, windows) => {
    await windows.run(windows.node, ["-e", DESKTOP]);
    const home = windowsHome(t, windows, { name: "Åsa Öberg's files" });
    const main = windowsPath(join(windows.app, "dist/src/main.js"));
    const service = (action: string) => home.cli(["service", action]);
    const installed = await service("install");
    t.is(installed.code, 0, installed.stderr);
    const path = join(home.stateDir, "task.xml");
    t.true(installed.stdout.startsWith(`Wrote ${windowsPath(path)}\n`), installed.stdout);
    t.is(installed.stderr, "");

    // What the Task Scheduler has kept of it: Wine's knows no commands, and starts no task.
    const task = readFileSync(path, "utf8");
    const name = unescapeXml(partOf(task, "URI")).slice(1);
    t.regex(name, /^authd-./);
    const kept = join(windows.distribution.prefix, "drive_c/windows/system32/tasks", name);
    const entry = readFileSync(kept, "utf8");
    t.is(partOf(entry, "Description"), "Keeps API credentials, and their tokens fresh.");
    t.is(partOf(entry, "ExecutionTimeLimit"), "PT0S");
    t.deepEqual(taskScheduler.commandIn(task), [windows.node, main, "serve"]);
    t.regex((await service("status")).stdout, /task\.xml: was written by authd\n/);

    // As the Task Scheduler starts it: without any variable of this home.
    const words = unescapeXml(partOf(task, "Arguments"));
    const daemon = await windows.program(partOf(task, "Command"), [words], { verbatim: true });
    t.teardown(() => home.cli(["stop"]).then(() => {}));
    await daemon.says("authd listens on ");
    t.regex((await home.cli(["status"])).stdout, /listening on .*authd-test-/);
    // Again, over the one that is there.
    const again = await service("install");
    t.is(again.code, 0, again.stderr);
    t.is((await daemon.ended).code, 0, "the daemon of before was told to end");

    const removed = await service("uninstall");
    t.is(removed.code, 0, removed.stderr);
    t.false(existsSync(kept));
    t.false(existsSync(path));
    t.is((await service("uninstall")).stdout, "The service is not installed.\n");
  },
);

const partOf = (task: string, name: string) =>
  new RegExp(`<${name}>([^<]*)<`).exec(task)?.[1] ?? "";
