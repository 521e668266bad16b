import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { parse } from "plist";
import type { ServiceIo } from "../../src/cli/service/steps.ts";
import { type ServiceOptions, service } from "../../src/cli/service.ts";
import { AuthdError } from "../../src/errors.ts";
import { inspectService } from "../../src/service/index.ts";
import { launchd } from "../../src/service/launchd.ts";
import { serviceNode, versionManagerOf } from "../../src/service/node-path.ts";
import { marked } from "../../src/service/owned-file.ts";
import { problemsOf } from "../../src/service/problems.ts";
import { systemd } from "../../src/service/systemd.ts";
import { taskScheduler } from "../../src/service/task-scheduler.ts";
import { run } from "../helpers/child.ts";
import { MAIN, startDaemon } from "../helpers/daemon.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { absent, missing } from "../helpers/optional.ts";

interface Machine {
  home: string;
  env: NodeJS.ProcessEnv;
  units: string;
  /** Each call of a service manager's program since the last look. */
  calls(): string[];
  /** What the stand-ins do: lines of shell. */
  behave(script: string): void;
  service(action: "install" | "uninstall" | "status", options?: ServiceOptions): Promise<Outcome>;
}

interface Outcome {
  code: number;
  out: string;
  err: string;
}

/** A home and a PATH with stand-ins for the service managers' programs that note their calls. */
function machine(t: ExecutionContext, given: Partial<ServiceIo> = {}): Machine {
  const home = temporaryFolder(t);
  const bin = join(home, "bin");
  const log = join(home, "calls");
  mkdirSync(bin);
  const behave = (script: string) => {
    for (const name of ["systemctl", "loginctl", "launchctl", "schtasks"]) {
      const text = `#!/bin/sh\necho "${name} $*" >> "${log}"\n${script}\n`;
      writeFileSync(join(bin, name), text, { mode: 0o755 });
    }
  };
  behave("exit 0");
  const env = {
    HOME: home,
    PATH: bin,
    USER: "somebody",
    XDG_RUNTIME_DIR: join(home, "run"),
    ...given.env,
  };
  let told = 0;
  const calls = () => {
    const lines = existsSync(log) ? readFileSync(log, "utf8").trimEnd().split("\n") : [];
    const fresh = lines.slice(told);
    told = lines.length;
    return fresh;
  };
  return {
    home,
    env,
    units: join(home, ".config", "systemd", "user"),
    calls,
    behave,
    service: async (action, options = {}) => {
      const lines = { out: "", err: "" };
      const code = await service(action, options, {
        platform: "linux",
        native: join(home, "no-native-command"),
        ...given,
        env,
        say: (line) => {
          lines.out += `${line}\n`;
        },
        complain: (line) => {
          lines.err += `${line}\n`;
        },
      });
      return { code, ...lines };
    },
  };
}

const read = (folder: string, name: string) => readFileSync(join(folder, name), "utf8");

test("install writes both units, starts them and mentions lingering", async (t) => {
  const { service, calls, units } = machine(t);
  const { code, out, err } = await service("install");
  t.deepEqual([code, err], [0, ""]);
  t.deepEqual(readdirSync(units), ["authd.service", "authd.socket"]);
  t.deepEqual(calls(), [
    "systemctl --user daemon-reload",
    "systemctl --user enable authd.socket authd.service",
    "systemctl --user restart authd.socket authd.service",
    "loginctl show-user somebody --property=Linger --value",
  ]);
  t.regex(out, /loginctl enable-linger somebody/);
  const unit = read(units, "authd.service");
  t.regex(unit, /^# Written by "authd service install", sha256:[0-9a-f]{64}\n\[Unit\]\n/);
  t.true(unit.includes(`\nExecStart="${process.execPath}" "${MAIN}" serve\n`));
  t.true(unit.includes(`\nExecReload="${process.execPath}" "${MAIN}" reload\n`));
  t.regex(read(units, "authd.socket"), /^ListenStream=%t\/authd\/authd\.sock$/m);
});

test("where lingering is on, it is not mentioned", async (t) => {
  const { service, behave } = machine(t);
  behave("echo yes");
  t.notRegex((await service("install")).out, /linger/);
});

test("installing again replaces its own files", async (t) => {
  const { service, units } = machine(t);
  await service("install");
  const before = read(units, "authd.service");
  t.is((await service("install")).code, 0);
  t.is(read(units, "authd.service"), before);
  t.deepEqual(readdirSync(units), ["authd.service", "authd.socket"]);
});

test("the settings of this shell's authd go with the service", async (t) => {
  const { home, service, units } = machine(t, {
    env: {
      AUTHD_SOCKET: "/run/a b/100%.sock",
      AUTHD_VAULT_KEY: "file",
      AUTHD_CONFIG_DIR: '/srv/"c" $HOME',
      XDG_STATE_HOME: "/srv/state",
      AUTHD_LOG_LEVEL: "debug",
    },
  });
  const { out } = await service("install");
  t.regex(out, /^It keeps AUTHD_STATE_DIR=\/srv\/state\/authd of this shell\.$/m);
  const unit = read(units, "authd.service");
  for (const line of [
    'Environment="AUTHD_SOCKET=/run/a b/100%%.sock"',
    'Environment="AUTHD_VAULT_KEY=file"',
    'Environment="AUTHD_CONFIG_DIR=/srv/\\"c\\" $HOME"',
    'Environment="AUTHD_STATE_DIR=/srv/state/authd"',
  ])
    t.true(unit.includes(`\n${line}\n`), line);
  t.notRegex(unit, /LOG_LEVEL/);
  t.regex(read(units, "authd.socket"), /^ListenStream=\/run\/a b\/100%%\.sock$/m);
  const env = { PATH: process.env.PATH, HOME: home, XDG_RUNTIME_DIR: home };
  const paths = readdirSync(units).map((name) => join(units, name));
  await verify(t, paths, env);
});

async function verify(t: ExecutionContext, paths: string[], env: NodeJS.ProcessEnv) {
  if (absent("systemd-analyze").length > 0)
    return missing(t, "systemd-analyze is not installed (Debian package systemd)");
  const answer = await run(t, "systemd-analyze", ["--user", "verify", ...paths], { env });
  t.is(answer.stderr, "");
  t.is(answer.code, 0);
}

test("any path of Node and authd survives systemd's quoting", async (t) => {
  const { home } = machine(t);
  const odd = join(home, "my 100% $HOME; node");
  mkdirSync(odd);
  const main = join(home, 'No de\'s 100% "$HOME" \\x41');
  const launch = { node: join(odd, "node"), main, variables: {} };
  symlinkSync(process.execPath, launch.node);
  const files = systemd.files(launch, { HOME: home });
  for (const { path, content } of files) {
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, content);
  }
  t.deepEqual(systemd.commandIn(files[1]!.content), [launch.node, launch.main, "serve"]);
  const env = { PATH: process.env.PATH, HOME: home, XDG_RUNTIME_DIR: home };
  await verify(
    t,
    files.map(({ path }) => path),
    env,
  );
  t.throws(() => systemd.files({ ...launch, node: '/a"/node' }, { HOME: home }), {
    message: /quotes or backslashes/,
  });
  t.throws(() => systemd.files({ ...launch, main: "/a\nExecStartPre=/b" }, { HOME: home }), {
    message: /control character/,
  });
});

test("units go where systemd looks for them", async (t) => {
  const { home, service } = machine(t, { env: { XDG_CONFIG_HOME: "relative" } });
  await service("install");
  t.true(existsSync(join(home, ".config/systemd/user/authd.service")));
  const elsewhere = temporaryFolder(t);
  const other = machine(t, { env: { XDG_CONFIG_HOME: elsewhere } });
  await other.service("install");
  t.true(existsSync(join(elsewhere, "systemd/user/authd.service")));
  t.false(existsSync(other.units));
});

for (const [kind, spoil, message] of [
  [
    "was edited since",
    (path: string) => appendFileSync(path, "# mine\n"),
    /authd\.service was changed after authd wrote it; nothing was changed\..*systemctl --user edit/,
  ],
  [
    "somebody else wrote",
    (path: string) => writeFileSync(path, "[Service]\nExecStart=/bin/true\n"),
    /authd\.service was not written by authd; nothing was changed\. Move it/,
  ],
] as const)
  test(`a unit that ${kind} is neither replaced nor removed`, async (t) => {
    const { service, calls, units } = machine(t);
    await service("install");
    const path = join(units, "authd.service");
    spoil(path);
    const before = [read(units, "authd.service"), read(units, "authd.socket")];
    calls();
    await t.throwsAsync(service("install"), { instanceOf: AuthdError, message });
    t.deepEqual([read(units, "authd.service"), read(units, "authd.socket")], before);
    t.deepEqual(calls(), []);
    const { code, out, err } = await service("uninstall");
    t.is(code, 1);
    t.regex(out, /Removed .*authd\.socket/);
    t.regex(err, /Left .*authd\.service alone: it was /);
    t.deepEqual(readdirSync(units), ["authd.service"]);
    t.is(read(units, "authd.service"), before[0]!);
    t.deepEqual(calls(), [
      "systemctl --user disable --now authd.socket",
      "systemctl --user daemon-reload",
    ]);
  });

test("a unit that is masked or a link into somebody's dotfiles stays one", async (t) => {
  const { service, units } = machine(t);
  mkdirSync(units, { recursive: true });
  symlinkSync("/dev/null", join(units, "authd.service"));
  await t.throwsAsync(service("install"), { message: /was not written by authd/ });
  t.deepEqual(readdirSync(units), ["authd.service"]);
});

test("uninstall removes what install wrote, and nothing else", async (t) => {
  const { service, calls, units } = machine(t);
  await service("install");
  writeFileSync(join(units, "other.service"), "");
  calls();
  const { code, err } = await service("uninstall");
  t.deepEqual([code, err], [0, ""]);
  t.deepEqual(readdirSync(units), ["other.service"]);
  t.deepEqual(calls(), [
    "systemctl --user disable --now authd.socket authd.service",
    "systemctl --user daemon-reload",
  ]);
  const again = await service("uninstall");
  t.deepEqual([again.code, again.out], [0, "The service is not installed.\n"]);
  t.deepEqual(calls(), []);
});

test("uninstall has the daemon delete its token files first", async (t) => {
  const { env, service } = machine(t);
  t.is((await service("install")).code, 0);
  const daemon = await startDaemon(t, {
    env: { AUTHD_SOCKET: join(env.XDG_RUNTIME_DIR!, "authd", "authd.sock") },
  });
  const secrets = JSON.stringify({ token: "practice" });
  const args = ["add", "demo", "--grant", "static", "--secrets-from", "-"];
  t.is((await daemon.cli(args, { input: secrets })).code, 0);
  const file = join(daemon.folder, "token");
  t.is((await daemon.cli(["token-file", "demo", file])).code, 0);
  const { code, out } = await service("uninstall");
  t.is(code, 0);
  t.true(out.includes(`Removed ${file}\n`));
  t.false(existsSync(file));
  t.is((await daemon.cli(["token-file", "--list"])).stdout.split(".")[0], "No files");
});

test("without systemctl the files are written and the rest is said", async (t) => {
  const { service, units } = machine(t, { env: { PATH: "/nowhere" } });
  const { code, err } = await service("install");
  t.is(code, 1);
  t.deepEqual(readdirSync(units), ["authd.service", "authd.socket"]);
  t.is(
    err,
    `systemd could not be told: systemctl is not there, or does not answer
Once it runs, type:
  systemctl --user daemon-reload
  systemctl --user enable authd.socket authd.service
  systemctl --user restart authd.socket authd.service
`,
  );
});

test("what systemctl complains of is passed on, and only the rest is left to type", async (t) => {
  const { service, behave } = machine(t);
  behave('case "$*" in *restart*) echo "Job failed" >&2; exit 1;; esac');
  const { code, out, err } = await service("install");
  t.is(code, 1);
  t.notRegex(out, /is running/);
  t.is(
    err,
    `systemd could not be told: Job failed
Once it runs, type:
  systemctl --user restart authd.socket authd.service
`,
  );
});

test("without a session's bus it is said what to do", async (t) => {
  const { service, behave } = machine(t);
  behave('echo "Failed to connect to bus: No medium found" >&2; exit 1');
  const { code, err } = await service("install");
  t.is(code, 1);
  t.regex(err, /Failed to connect to bus.*\nThere is no session of this user here.*enable-linger/);
});

test("a daemon that was started by hand is not disturbed", async (t) => {
  const { home, env, service, units } = machine(t);
  env.AUTHD_SOCKET = join(home, "s");
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(env.AUTHD_SOCKET, resolve));
  t.teardown(() => server.close());
  await t.throwsAsync(service("install"), { message: /started by hand answers on .*Ctrl-C/ });
  t.false(existsSync(units));
});

test("status tells what is installed, enabled and running", async (t) => {
  const { service, behave, env } = machine(t);
  const before = await service("status");
  t.deepEqual([before.code, before.out.includes("authd service install")], [0, true]);
  t.false((await inspectService(env, "linux")).installed);
  await service("install");
  behave('case "$*" in *MainPID*) echo 4711;; *) echo active;; esac');
  t.like(await inspectService(env, "linux"), { active: true, pid: 4711 });
  behave('case "$*" in *is-enabled*) echo enabled;; *is-active*) echo inactive; exit 3;; esac');
  const { code, out, err } = await service("status");
  t.deepEqual([code, err], [0, ""]);
  t.regex(out, /^starts by itself: yes$/m);
  t.regex(out, /^running: +no$/m);
  t.true(out.includes(process.execPath));
  t.like(await inspectService(env, "linux"), {
    manager: "systemd",
    installed: true,
    current: true,
    enabled: true,
    active: false,
    node: { path: process.execPath, exists: true },
    main: { path: MAIN, exists: true },
  });
});

test("what asks on the desktop is a unit of its own, beside the daemon's or without it", async (t) => {
  const { service, calls, units, behave } = machine(t);
  const { code, out, err } = await service("install", { approve: true });
  t.deepEqual([code, err], [0, ""]);
  t.deepEqual(readdirSync(units), ["authd-approve.service"]);
  t.deepEqual(calls(), [
    "systemctl --user daemon-reload",
    "systemctl --user enable authd-approve.service",
    "systemctl --user restart authd-approve.service",
  ]);
  t.regex(out, /It is running/);
  const unit = read(units, "authd-approve.service");
  t.regex(unit, /^ExecStart=".*" ".*main\.js" approve --watch --dialogs$/m);
  t.regex(unit, /^Environment=AUTHD_SOCKET=\/run\/authd\/authd\.sock$/m);
  await service("install");
  behave("echo active");
  t.regex((await service("status", { approve: true })).out, /running: +yes/);
  t.is((await service("uninstall", { approve: true })).code, 0);
  t.deepEqual(readdirSync(units), ["authd.service", "authd.socket"]);
});

test("a service manager that can't be asked leaves its state open", async (t) => {
  const { service, env } = machine(t, { env: { PATH: "/nowhere" } });
  await service("install");
  const report = await inspectService(env, "linux");
  t.true(report.installed);
  t.false("enabled" in report || "active" in report);
});

test("a unit whose Node is gone, or that is of another version, is told of", async (t) => {
  const { env, home, units } = machine(t);
  const install = (given: Partial<ServiceIo>) =>
    service("install", {}, { env, platform: "linux", say: () => {}, complain: () => {}, ...given });
  const problems = async () => problemsOf(await inspectService(env, "linux")).join();
  await install({});
  t.is(await problems(), "");
  const node = join(home, "node");
  symlinkSync(process.execPath, node);
  await install({ execPath: node });
  t.is(await problems(), "", "another Node alone is no problem");
  await install({ execPath: join(home, "gone", "node") });
  t.regex(await problems(), /can't start: .*gone\/node is gone; run "authd service install" again/);
  await install({ env: { ...env, AUTHD_VAULT_KEY: "file" } });
  t.regex(await problems(), /not as this authd would install it/);
  appendFileSync(join(units, "authd.socket"), "#");
  t.regex(await problems(), /authd\.socket was changed after authd wrote it/);
});

test("a version manager's Node gives way to a stable one that is new enough", async (t) => {
  const folder = temporaryFolder(t);
  const old = join(folder, "old");
  writeFileSync(old, "#!/bin/sh\necho v20.18.3\n");
  const fresh = join(folder, "fresh");
  writeFileSync(fresh, "#!/bin/sh\necho v22.1.0\n");
  for (const path of [old, fresh]) chmodSync(path, 0o755);
  const nvm = "/home/me/.nvm/versions/node/v20.19.5/bin/node";
  t.is(await serviceNode(nvm, ["/nowhere/node", old, fresh]), fresh);
  t.is(await serviceNode(nvm, ["/nowhere/node", old]), nvm);
  t.is(await serviceNode("/opt/node/bin/node", [fresh]), "/opt/node/bin/node");
});

for (const [path, manager] of Object.entries({
  "/home/me/.nvm/versions/node/v20.19.5/bin/node": "nvm",
  "/home/me/.local/share/fnm/node-versions/v22/installation/bin/node": "fnm",
  "/run/user/1000/fnm_multishells/1_2/bin/node": "fnm",
  "/home/me/.volta/tools/image/node/22/bin/node": "volta",
  "/home/me/.asdf/installs/nodejs/22/bin/node": "asdf",
  "/home/me/.local/share/mise/installs/node/22/bin/node": "mise",
  "/home/me/.nodenv/versions/22/bin/node": "nodenv",
  "/usr/local/n/versions/node/22/bin/node": "n",
  "/opt/homebrew/Cellar/node/22/bin/node": "Homebrew",
  "/nix/store/abc-nodejs/bin/node": "Nix",
  "/usr/bin/node": undefined,
  "/usr/local/bin/node": undefined,
}))
  test(`${path} belongs to ${manager ?? "the system"}`, (t) => {
    t.is(versionManagerOf(path), manager);
  });

test("a version manager's Node without an alternative is warned of", async (t) => {
  const execPath = join(temporaryFolder(t), ".volta/tools/image/node");
  const node = await serviceNode(execPath);
  const { service } = machine(t, { execPath });
  const { code, err } = await service("install");
  t.is(code, 0);
  if (node === execPath) t.regex(err, /^Warning: .* belongs to volta, which may remove it/);
  else t.is(err, "");
});

test("on macOS a launch agent is written, loaded and read back", async (t) => {
  const { home, service, calls, env, behave } = machine(t, {
    platform: "darwin",
    env: { AUTHD_VAULT_KEY: "file", NODE_EXTRA_CA_CERTS: "/ca <&>.pem" },
  });
  const { code, out, err } = await service("install");
  t.deepEqual([code, err], [0, ""]);
  t.regex(out, /Its log is .*Library\/Logs\/authd\.log/);
  const path = join(home, "Library/LaunchAgents/authd.plist");
  const target = `gui/${process.getuid?.()}`;
  t.deepEqual(calls(), [
    `launchctl bootout ${target}/authd`,
    `launchctl enable ${target}/authd`,
    `launchctl bootstrap ${target} ${path}`,
  ]);
  const text = readFileSync(path, "utf8");
  t.regex(text, /^<\?xml [^\n]*\n<!-- Written by "authd service install", sha256:\w{64} -->\n/);
  t.like(parse(text) as Record<string, unknown>, {
    Label: "authd",
    ProgramArguments: [process.execPath, MAIN, "serve"],
    EnvironmentVariables: { AUTHD_VAULT_KEY: "file", NODE_EXTRA_CA_CERTS: "/ca <&>.pem" },
    StandardErrorPath: join(home, "Library/Logs/authd.log"),
    RunAtLoad: true,
    Umask: 63,
  });
  behave('case "$*" in print*) printf "authd = {\\n\\tstate = running\\n}\\n";; esac');
  t.like(await inspectService(env, "darwin"), { manager: "launchd", current: true, active: true });
  t.is((await service("uninstall")).code, 0);
  t.false(existsSync(path));
});

test("any path of Node and authd survives the property list", (t) => {
  const launch = { node: "/a & b/<node>", main: "/c$&/main.js", variables: { A: "&amp;" } };
  const [agent] = launchd.files(launch, { HOME: "/Users/a&b" });
  t.deepEqual(launchd.commandIn(agent!.content), [launch.node, launch.main, "serve"]);
  t.like(parse(agent!.content) as Record<string, unknown>, {
    ProgramArguments: [launch.node, launch.main, "serve"],
    StandardErrorPath: "/Users/a&b/Library/Logs/authd.log",
  });
});

test("on Windows a task is written, made and read back", async (t) => {
  const { home, service, calls, env } = machine(t, {
    platform: "win32",
    env: { USERNAME: "Åsa", AUTHD_VAULT_KEY: "file", NODE_EXTRA_CA_CERTS: "/ca 'a'.pem" },
  });
  const { code, err } = await service("install");
  t.deepEqual([code, err], [0, ""]);
  const path = join(home, "AppData/Local/authd/task.xml");
  const query = "schtasks /Query /TN authd /XML";
  const made = [`schtasks /Create /TN authd-Åsa /XML ${path} /F`, "schtasks /Run /TN authd-Åsa"];
  t.deepEqual(calls(), [query, ...made]);
  const text = readFileSync(path, "utf8");
  t.regex(text, /^<\?xml [^\n]*\n<!-- Written by "authd service install", sha256:\w{64} -->\n/);
  t.regex(text, /<UserId>&#197;sa<\/UserId>/);
  t.true(text.includes('set "AUTHD_VAULT_KEY=file"&amp; set "NODE_EXTRA_CA_CERTS='));
  t.deepEqual(taskScheduler.commandIn(text), [process.execPath, MAIN, "serve"]);
  t.regex(text, /<Count>255<\/Count>/);
  t.like(await inspectService(env, "win32"), {
    ...{ manager: "Task Scheduler", current: true, enabled: true },
  });
  t.deepEqual(calls(), ["schtasks /Query /TN authd-Åsa"]);
  t.is((await service("uninstall")).code, 0);
  t.deepEqual(calls(), [query, "schtasks /Delete /TN authd-Åsa /F"]);
  t.false(existsSync(path));
});

const TASK_OF_ANA = `<?xml version="1.0" encoding="UTF-16"?>
<Task><Principals><Principal><UserId>S-1-5-21-1-2-3-1001</UserId></Principal></Principals>
<Triggers><LogonTrigger><UserId>LAB\\Ana</UserId></LogonTrigger></Triggers></Task>`;
const DELETE_SHARED = "schtasks /Delete /TN authd /F";

test("on Windows each user has a task, and one of an earlier authd goes if it is the user's own", async (t) => {
  for (const [USERNAME, isOwn] of [
    ["ana", true],
    ["bo", false],
  ] as const) {
    const given = { platform: "win32", env: { USERNAME, USERDOMAIN: "LAB" } } as const;
    const { behave, calls, service } = machine(t, given);
    behave(`case "$*" in */XML) /bin/cat <<'END'\n${TASK_OF_ANA}\nEND\n;; esac`);
    t.is((await service("install")).code, 0);
    const installed = calls();
    t.regex(installed[1]!, new RegExp(`^schtasks /Create /TN authd-LAB-${USERNAME} `));
    t.is(installed.includes(DELETE_SHARED), isOwn);
    t.is((await service("uninstall")).code, 0);
    const removed = calls();
    t.true(removed.includes(`schtasks /Delete /TN authd-LAB-${USERNAME} /F`));
    t.is(removed.includes(DELETE_SHARED), isOwn);
  }
});

test("on Windows a task of an earlier authd is reported, and removed", async (t) => {
  const { home, behave, calls, service, env } = machine(t, {
    platform: "win32",
    env: { USERNAME: "ana", USERDOMAIN: "LAB" },
  });
  behave(`case "$*" in */XML) /bin/cat <<'END'\n${TASK_OF_ANA}\nEND\n;; *LAB*) exit 1;; esac`);
  t.is((await service("install")).code, 1);
  const path = join(home, "AppData/Local/authd/task.xml");
  const [task] = taskScheduler.files({ node: "/node", main: "/main.js", variables: {} }, env);
  const earlier = task!.content.replace(/ *<URI>.*\n/, "");
  writeFileSync(path, marked(earlier, taskScheduler.comment));
  calls();
  t.like(await inspectService(env, "win32"), { current: false, enabled: true });
  t.is((await service("uninstall")).code, 0);
  t.deepEqual(calls().slice(-2), ["schtasks /Query /TN authd /XML", DELETE_SHARED]);
  t.false(existsSync(path));
});

test("any path of Node and authd survives the task", (t) => {
  const paths = { node: "C:\\a & b\\<node>.exe", main: "C:\\Ö é\\main.js" };
  for (const variables of [{}, { AUTHD_STATE_DIR: "D:\\Å & b" }]) {
    const [task] = taskScheduler.files({ ...paths, variables }, { HOME: "/home/a", USERNAME: "a" });
    t.deepEqual(taskScheduler.commandIn(task!.content), [paths.node, paths.main, "serve"]);
  }
});

test("other systems are told to run it themselves", async (t) => {
  const other = await machine(t, { platform: "freebsd" }).service("status");
  t.is(other.code, 1);
  t.regex(other.err, /no service manager on freebsd.*\n.*authd serve/);
  t.false((await inspectService({}, "freebsd")).installed);
});

test("uninstall --purge removes settings, vault and records, and nothing else", async (t) => {
  const { home, service } = machine(t);
  await service("install");
  const config = join(home, ".config", "authd");
  const state = join(home, ".local", "state", "authd");
  mkdirSync(join(config, "credentials"), { recursive: true });
  writeFileSync(join(config, "config.toml"), "");
  mkdirSync(join(state, "vault"), { recursive: true });
  const kept = ["vault/x", "audit.log", "told.json", "store-shared", "store-timeline.json"];
  for (const name of [...kept, "notes-of-mine"]) writeFileSync(join(state, name), "");
  const unasked = await t.throwsAsync(service("uninstall", { purge: true }), {
    instanceOf: AuthdError,
  });
  t.regex(unasked?.message ?? "", /give --yes as well; nothing was changed/);
  t.true(existsSync(join(state, "vault/x")));

  const { code, out, err } = await service("uninstall", { purge: true, yes: true });
  t.is(code, 0, err);
  t.false(existsSync(config));
  t.deepEqual(readdirSync(state), ["notes-of-mine"]);
  t.true(out.includes(`Removed ${join(state, "vault")}\n`));
  t.regex(err, /it also holds notes-of-mine/);
});

test("uninstall --purge touches nothing while a daemon that was started by hand runs", async (t) => {
  const { home, env, service } = machine(t);
  const config = join(home, ".config", "authd");
  mkdirSync(config, { recursive: true });
  writeFileSync(join(config, "config.toml"), "");
  mkdirSync(join(env.XDG_RUNTIME_DIR!, "authd"), { recursive: true });
  const server = createServer().listen(join(env.XDG_RUNTIME_DIR!, "authd", "authd.sock"));
  t.teardown(() => server.close());
  await t.throwsAsync(service("uninstall", { purge: true, yes: true }), {
    message: /A daemon answers on .*nothing was changed.*authd stop/,
  });
  t.true(existsSync(join(config, "config.toml")));
});
