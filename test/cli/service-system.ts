/** What `authd service install --system` refuses before it changes anything, and the files that it writes. */
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { parse } from "plist";
import type { ServiceIo } from "../../src/cli/service/steps.ts";
import { type ServiceOptions, service } from "../../src/cli/service.ts";
import { configSchema } from "../../src/config/daemon.ts";
import { AuthdError } from "../../src/errors.ts";
import { launchDaemon } from "../../src/service/system-wide/launch-daemon.ts";
import { firstConfig, LINUX, MACOS } from "../../src/service/system-wide/places.ts";
import { whyNotSystemWide } from "../../src/service/system-wide/programs.ts";
import { systemWideSystemd } from "../../src/service/system-wide/systemd.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { asRoot, onUnix } from "../helpers/optional.ts";

const LAUNCH = { node: "/usr/bin/node", main: "/usr/lib/authd/dist/src/main.js", variables: {} };

/** Node and authd where root alone can change them. */
function programs(t: ExecutionContext) {
  const folder = mkdtempSync("/run/authd-test-");
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  chmodSync(folder, 0o755);
  const node = join(folder, "node");
  const main = join(folder, "authd", "dist", "src", "main.js");
  const dependency = join(folder, "authd", "node_modules", "thing", "index.js");
  for (const path of [join(main, ".."), join(dependency, "..")])
    mkdirSync(path, { recursive: true, mode: 0o755 });
  copyFileSync("/bin/true", node);
  for (const path of [main, dependency]) writeFileSync(path, "", { mode: 0o644 });
  return { folder, node, main, dependency };
}

asRoot("programs that another user could change, or not read, are no service's", (t) => {
  const { folder, node, main, dependency } = programs(t);
  t.is(whyNotSystemWide(node, main), undefined);
  const spoilt = (path: string, spoil: () => void, mend: () => void, why: RegExp) => {
    spoil();
    t.regex(whyNotSystemWide(node, main) ?? "", why, path);
    mend();
    t.is(whyNotSystemWide(node, main), undefined, path);
  };
  for (const path of [node, main, dependency, join(dependency, ".."), folder]) {
    spoilt(
      path,
      () => chownSync(path, 64_121, 0),
      () => chownSync(path, 0, 0),
      /user 64121's/,
    );
    const mode = path === main || path === dependency ? 0o644 : 0o755;
    const mend = () => chmodSync(path, mode);
    spoilt(path, () => chmodSync(path, mode | 0o022), mend, /others may write to/);
  }
  const mend = () => chmodSync(folder, 0o755);
  spoilt(folder, () => chmodSync(folder, 0o700), mend, /other users can't read/);
  const hidden = join(temporaryFolder(t), "node");
  copyFileSync(node, hidden);
  t.regex(whyNotSystemWide(hidden, main) ?? "", /is in \/tmp, of which the service sees nothing/);
  const link = join(folder, "link");
  symlinkSync(hidden, link);
  t.regex(whyNotSystemWide(link, main) ?? "", /is in \/tmp/, "where a link leads counts");
});

function io(t: ExecutionContext, platform: NodeJS.Platform, systemctl = ""): Partial<ServiceIo> {
  const bin = temporaryFolder(t);
  writeFileSync(join(bin, "systemctl"), `#!/bin/sh\n${systemctl}\n`, { mode: 0o755 });
  const quiet = () => {};
  return { platform, env: { PATH: bin }, say: quiet, complain: quiet };
}

asRoot("where systemd does not run nothing is changed", async (t) => {
  const written = () => systemWideSystemd.files(LAUNCH, {}).map(({ path }) => existsSync(path));
  const before = written();
  for (const state of ["echo offline; exit 1", "exit 127"]) {
    const given = io(t, "linux", state);
    const error = await t.throwsAsync<AuthdError>(service("install", { system: true }, given));
    t.regex(error?.message ?? "", /systemd does not run this machine.*nothing was changed/);
  }
  t.deepEqual(written(), before);
  t.is(await service("install", { system: true }, io(t, "freebsd")), 1);
});

onUnix("options that don't belong together are refused", async (t) => {
  const odd: ["install" | "uninstall" | "status", ServiceOptions, RegExp][] = [
    ["install", { takeOver: true }, /--take-over is for authd service install --system/],
    ["uninstall", { system: true, letIn: true }, /--let-in is for authd service install --system/],
    ["install", { system: true, purge: true }, /--purge is for authd service uninstall --system/],
    ["install", { system: true, approve: true }, /--approve is for a user's own session/],
  ];
  for (const [action, options, message] of odd) {
    const error = await t.throwsAsync(service(action, options, io(t, "linux")), {
      instanceOf: AuthdError,
    });
    t.regex(error.message, message);
    t.is((error as AuthdError).reason, "invalid_params");
  }
});

test("a vault whose key is a file has a unit without a credential", (t) => {
  const unit = (key: string) =>
    systemWideSystemd.files({ ...LAUNCH, variables: { AUTHD_VAULT_KEY: key } }, {}).at(-1)!.content;
  t.regex(unit("systemd-credential"), /^LoadCredentialEncrypted=authd-vault-key:/m);
  t.notRegex(unit("file"), /^LoadCredentialEncrypted=/m);
  t.regex(unit("file"), /^Environment=AUTHD_VAULT_KEY=file$/m);
  t.regex(unit("file"), /^ConfigurationDirectory=authd$/m);
  t.regex(
    unit("file"),
    /^ExecStart="\/usr\/bin\/node" "\/usr\/lib\/authd\/dist\/src\/main.js" serve$/m,
  );
});

test("the launch daemon reads back as a property list", (t) => {
  const launch = { ...LAUNCH, node: "/opt/a&b/<node>", variables: { AUTHD_VAULT_KEY: "file" } };
  const [file, ...more] = launchDaemon.files(launch, {});
  t.is(file?.path, "/Library/LaunchDaemons/authd-system.plist");
  t.is(more.length, 0);
  const daemon = parse(file!.content) as Record<string, unknown>;
  t.like(daemon, {
    Label: "authd-system",
    UserName: "_authd",
    GroupName: "_authd",
    ProgramArguments: [launch.node, launch.main, "serve"],
    RunAtLoad: true,
    Umask: 0o77,
    StandardErrorPath: "/Library/Logs/authd-system.log",
  });
  t.like(daemon.EnvironmentVariables as object, {
    AUTHD_SOCKET: MACOS.socket,
    AUTHD_CONFIG_DIR: MACOS.configDir,
    AUTHD_STATE_DIR: MACOS.stateDir,
    AUTHD_VAULT_KEY: "file",
  });
  t.deepEqual(launchDaemon.commandIn(file!.content), [launch.node, launch.main, "serve"]);
  t.deepEqual(
    launchDaemon.start([file!.path]).map(({ argv }) => argv.join(" ")),
    [
      "launchctl bootout system/authd-system",
      "launchctl enable system/authd-system",
      "launchctl bootstrap system /Library/LaunchDaemons/authd-system.plist",
    ],
  );
});

test("the first config.toml is one, on each platform", async (t) => {
  const { parse: parseToml } = await import("smol-toml");
  for (const platform of ["linux", "darwin"] as const) {
    const settings = configSchema.parse(parseToml(firstConfig(platform)));
    t.deepEqual(settings.access, { groups: ["authd-clients"], answer_own: true });
    t.is(settings.socket_group, platform === "darwin" ? "authd-clients" : undefined);
  }
  t.not(LINUX.socket, MACOS.socket);
});
