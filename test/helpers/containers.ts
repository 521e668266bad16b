/** Images and containers, by buildah and podman, in a place of their own that goes with the test. */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { type Ended, run, start } from "./child.ts";
import { temporaryFolder } from "./folder.ts";
import type { Scope } from "./scope.ts";
import { ROOT } from "./sources.ts";

const CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt";
/** Groups of version 2 alone, as the runtime wants them, whatever this machine has. */
const IN_GROUPS = `
  umount -R /sys/fs/cgroup 2>/dev/null || true
  mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec "$0" "$@"`;
/** What a sandbox of a test may not be able to change stays as it is here. */
const AS_HERE = [
  ...["--network=host", "--cgroups=disabled"],
  ...["--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096"],
];

export interface Containers {
  /** Builds the image `localhost/authd` of this checkout. Rejects with what was said if it can't be built. */
  build(): Promise<void>;
  /** Runs `podman ARGS…` to its end. */
  podman(args: readonly string[], input?: string): Promise<Ended>;
  /** Runs `podman run OPTIONS localhost/authd ARGS…` to its end. */
  run(options: readonly string[], args: readonly string[]): Promise<Ended>;
  /** Starts a container `name`, whose output and end are those of the process. */
  start(
    name: string,
    options: readonly string[],
    args?: readonly string[],
  ): ReturnType<typeof start>;
}

export function containers(t: Scope): Containers {
  const folder = temporaryFolder(t);
  const storage = [
    ...["--root", join(folder, "storage"), "--runroot", join(folder, "run")],
    ...["--storage-driver=vfs"],
  ];
  const [unshare, ...inside] = ["unshare", "--mount", "bash", "-c", IN_GROUPS];
  const podman = ["podman", ...storage, "--cgroup-manager=cgroupfs", "--events-backend=none"];
  const buildah = async (...args: string[]) => {
    const ended = await run(t, "buildah", [...storage, ...args]);
    if (ended.code !== 0) throw new Error(`buildah ${args.join(" ")}: ${ended.stderr}`);
    return ended.stdout.trim();
  };
  // A container outlives who started it.
  t.teardown(() => {
    spawnSync(unshare!, [...inside, ...podman, "rm", "--force", "--all", "--time=0"]);
  });
  const whole = (options: readonly string[], args: readonly string[]) => [
    ...[...inside, ...podman, "run", "--rm", ...AS_HERE, ...options, "localhost/authd", ...args],
  ];
  return {
    build: async () => {
      const container = await buildah("from", "scratch");
      await buildah("copy", "--quiet", container, baseFolder(), "/");
      const variables = [
        "PATH=/usr/local/bin:/usr/bin:/bin",
        `NODE_EXTRA_CA_CERTS=${CERTIFICATES}`,
      ];
      await buildah("config", ...variables.flatMap((one) => ["--env", one]), container);
      await buildah("commit", "--quiet", "--rm", container, "localhost/base");
      const options = ["--isolation=chroot", "--network=host", "--layers=false", "--format=docker"];
      const args = ["--build-arg", "BASE=localhost/base", "--tag", "localhost/authd"];
      await buildah("build", "--quiet", ...options, ...args, "--file", "Containerfile", ROOT);
    },
    podman: async (args, input) => {
      const stdio = [input === undefined ? "ignore" : "pipe", "pipe", "pipe"] as const;
      const { child, ended } = start(t, unshare!, [...inside, ...podman, ...args], {
        stdio: [...stdio],
      });
      child.stdin?.on("error", () => {}).end(input);
      return await ended;
    },
    run: (options, args) => run(t, unshare!, whole(options, args)),
    start: (name, options, args = []) =>
      start(t, unshare!, whole(["--name", name, ...options], args)),
  };
}

/** A small Debian with the Node and npm of this machine: no registry of images is asked for one. Made once. */
function baseFolder(): string {
  const base = join(homedir(), ".cache", "authd-test", `debian-node-${process.version}`);
  if (existsSync(base)) return base;
  const made = `${base}.new`;
  rmSync(made, { recursive: true, force: true });
  mkdirSync(dirname(made), { recursive: true });
  const { VERSION_CODENAME = "bookworm" } = Object.fromEntries(
    readFileSync("/etc/os-release", "utf8")
      .split("\n")
      .map((line) => line.split("=")),
  );
  const { status, stdout, stderr } = spawnSync(
    "debootstrap",
    ["--variant=minbase", VERSION_CODENAME, made],
    { encoding: "utf8" },
  );
  if (status !== 0) throw new Error(`debootstrap: ${stdout.slice(-2_000)}${stderr}`);
  for (const name of ["var/cache/apt", "var/lib/apt/lists"]) {
    rmSync(join(made, name), { recursive: true });
  }
  const { stdout: npm } = spawnSync("npm", ["root", "--global"], { encoding: "utf8" });
  cpSync(join(npm.trim(), "npm"), join(made, "usr/local/lib/node_modules/npm"), {
    recursive: true,
  });
  cpSync(process.execPath, join(made, "usr/local/bin/node"));
  spawnSync("ln", [
    "-s",
    "../lib/node_modules/npm/bin/npm-cli.js",
    join(made, "usr/local/bin/npm"),
  ]);
  if (existsSync(CERTIFICATES)) {
    mkdirSync(dirname(join(made, CERTIFICATES)), { recursive: true });
    cpSync(CERTIFICATES, join(made, CERTIFICATES));
  }
  renameSync(made, base);
  return base;
}
