/** `authd service` and `authd doctor` where the native command was built. */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { NAMES } from "../../src/cli/names.ts";
import { service } from "../../src/cli/service.ts";
import { run } from "../helpers/child.ts";
import { MAIN, makeHome } from "../helpers/daemon.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { BUILT, copyNative } from "../helpers/native.ts";
import { onLinux } from "../helpers/optional.ts";
import { writeProgram } from "../helpers/program.ts";

/** A home whose service manager does as it is told. */
function machine(t: ExecutionContext, native: string) {
  const home = temporaryFolder(t);
  const bin = join(home, "bin");
  mkdirSync(bin);
  for (const name of ["systemctl", "loginctl"]) writeProgram(join(bin, name), "exit 0");
  const env = { HOME: home, PATH: bin, XDG_RUNTIME_DIR: join(home, "run") };
  const act = async (action: "install" | "uninstall") => {
    const lines: string[] = [];
    const say = (line: string) => void lines.push(line);
    const code = await service(action, {}, { platform: "linux", native, env, say, complain: say });
    return { code, said: lines.join("\n") };
  };
  return { home, env, act, link: join(home, ".local/bin/authd") };
}

onLinux(
  "service install links the native command into ~/.local/bin, uninstall removes it",
  async (t) => {
    const native = copyNative(t);
    const { act, link, env } = machine(t, native);
    const installed = await act("install");
    t.is(installed.code, 0, installed.said);
    t.true(installed.said.includes(`Linked ${link} to the native command.`));
    t.is(readlinkSync(link), native);
    const names = Object.keys(NAMES).map((name) => join(dirname(link), name));
    for (const each of names) t.is(readlinkSync(each), native);
    const record = readFileSync(join(dirname(native), "node-command"), "utf8");
    t.is(record, `${process.execPath}\n${realpathSync(MAIN)}\n`);
    const { code, stdout } = await run(t, link, ["--version"], { env });
    t.is(code, 0);
    t.regex(stdout, /^\d+\.\d+/);

    const again = await act("install");
    t.is(again.code, 0);
    t.notRegex(again.said, /Linked/);
    const removed = await act("uninstall");
    t.is(removed.code, 0, removed.said);
    t.true(removed.said.includes(`Removed ${link}`));
    for (const each of [link, ...names]) t.false(existsSync(each));
    t.true(existsSync(native));
  },
);

onLinux("what is at ~/.local/bin/authd already stays", async (t) => {
  const native = copyNative(t);
  const { act, link } = machine(t, native);
  mkdirSync(dirname(link), { recursive: true });
  const others = [
    () => writeFileSync(link, "somebody's own"),
    () => symlinkSync(MAIN, link),
    () => symlinkSync("/nowhere", link),
  ];
  for (const put of others) {
    put();
    const before = lstatSync(link).ino;
    const installed = await act("install");
    t.is(installed.code, 0, installed.said);
    t.true(installed.said.includes(`Left ${link} alone`));
    t.is((await act("uninstall")).code, 0);
    t.is(lstatSync(link).ino, before);
    rmSync(link);
  }
});

onLinux("without a native command nothing is linked", async (t) => {
  const { act, link } = machine(t, "/nowhere/authd");
  const { code, said } = await act("install");
  t.is(code, 0);
  t.notRegex(said, /native/);
  t.false(existsSync(link));
});

test("doctor says which authd the PATH leads to", async (t) => {
  const home = makeHome(t);
  const bin = join(home.folder, "bin");
  mkdirSync(bin);
  const found = async () => {
    const { stdout } = await home.cli(["doctor", "--json"], { env: { PATH: bin } });
    const { findings } = JSON.parse(stdout);
    return findings.find(({ about }: { about: string }) => about === "command");
  };
  const path = join(bin, "authd");
  t.is((await found()).message, "there is no authd on the PATH");
  symlinkSync(BUILT, path);
  const native = await found();
  t.is(native.level, "ok");
  t.true(native.message.startsWith(`${path} is the native command; the rest is done by `));
  rmSync(path);
  symlinkSync(MAIN, path);
  const node = await found();
  t.is(node.level, "ok");
  t.true(node.message.startsWith(`${path} is the Node command; the native one is ${BUILT}`));
  rmSync(path);
  writeProgram(path, "exit 0");
  const other = await found();
  t.is(other.level, "warning");
  t.regex(other.message, /is another authd than this one/);
});
