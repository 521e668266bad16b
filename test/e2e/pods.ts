/** A daemon of a node, and its pods: real control groups, and processes of other users and of root in them. */
import { randomBytes, randomUUID } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import type { AuditEntry } from "../../src/audit/entry.ts";
import { removeFolder } from "../../src/base/remove-folder.ts";
import { as, give, OWNER, ownersCli, STRANGER } from "../helpers/another-user.ts";
import { inCgroup, makeCgroup } from "../helpers/cgroups.ts";
import { run } from "../helpers/child.ts";
import { MAIN, makeHome, startDaemon } from "../helpers/daemon.ts";
import { asRootSerial as test } from "../helpers/optional.ts";
import { until } from "../helpers/until.ts";

const QOS = "kubepods.slice/kubepods-besteffort.slice";
/** Binds the folder that comes first to /var/log, in a mount namespace of its own. */
const WITH_LOGS = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /var/log && exec "$@"'];

interface Pod {
  uid: string;
  container: string;
  /** Takes the pod's processes. */
  procs: string;
}

/** A place that root has made for the daemon, with the folders of the kubelet. */
function makeNode(t: ExecutionContext) {
  const folder = mkdtempSync("/run/authd-test-");
  t.teardown(() => removeFolder(folder));
  chmodSync(folder, 0o755);
  const logs = join(folder, "log");
  mkdirSync(join(logs, "pods"), { recursive: true, mode: 0o755 });
  mkdirSync(join(folder, "pods"), { mode: 0o755 });
  give(join(folder, "pods"), OWNER);
  const pod = (namespace: string, name: string, above = QOS): Pod => {
    const uid = randomUUID();
    const container = randomBytes(32).toString("hex");
    const slice = `kubepods-besteffort-pod${uid.replaceAll("-", "_")}.slice`;
    const procs = makeCgroup(t, `${above}/${slice}/cri-containerd-${container}.scope`);
    mkdirSync(join(logs, "pods", `${namespace}_${name}_${uid}`), { mode: 0o755 });
    return { uid, container, procs };
  };
  return { folder, logs, pod, socket: join(folder, "pods/authd.sock") };
}

/** Starts the daemon of a node, with the credentials `podded`, `grouped`, and `bare` without rules; `through`: where it runs. */
async function startNode(t: ExecutionContext, through: readonly string[], node = makeNode(t)) {
  const config = `[access]
users = [${STRANGER}]
[[sockets]]
name = "pods"
path = "${node.socket}"
credentials = ["podded", "grouped", "bare"]
expose = "token"
mode = "0666"
`;
  const home = makeHome(t, { config: { "config.toml": config } });
  give(home.folder, OWNER);
  const { pid } = await startDaemon(t, {
    home,
    through: [...through, ...WITH_LOGS, node.logs, ...as(OWNER)],
  });
  // Where it has a pid namespace of its own it is a child of who made that, and outlives it.
  t.teardown(() => {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ");
    for (const child of children.filter(Boolean)) process.kill(Number(child), "SIGKILL");
  });
  const owner = (args: readonly string[], input = "") => ownersCli(t, home, args, input);
  const rules = {
    podded: '[[allow]]\npod = "shop/web-*"\n',
    grouped: '[[allow]]\ncgroup = "/authd-test.slice/*"\n',
  };
  for (const [name, rule] of Object.entries(rules)) {
    const add = ["add", name, "--grant", "static", "--secrets-from", "-"];
    t.is((await owner(add, '{"token":"practice"}')).code, 0);
    const file = join(home.configDir, "credentials", `${name}.toml`);
    writeFileSync(file, `grant = "static"\n${rule}`);
    t.is((await owner(["reload"])).code, 0);
    t.is((await owner(["trust", name, "--yes"])).code, 0);
  }
  const bare = ["add", "bare", "--grant", "static", "--secrets-from", "-"];
  t.is((await owner(bare, '{"token":"practice"}')).code, 0);
  const env = { PATH: process.env.PATH, HOME: "/nonexistent", AUTHD_SOCKET: node.socket };
  /** What a process gets that is started so. */
  const get = async (name: string, ...start: readonly string[]) => {
    const [command = "", ...args] = [...start, process.execPath, MAIN, "get", name];
    const { code, stdout, stderr } = await run(t, command, args, { env, cwd: "/" });
    return code === 0 ? stdout.trim() : stderr;
  };
  return { ...node, get, owner };
}

/** Pods of several names and users ask a daemon, wherever that runs. */
async function asksForPods(t: ExecutionContext, node: Awaited<ReturnType<typeof startNode>>) {
  const { pod, get, owner } = node;
  const web = pod("shop", "web-0");
  const from = ({ procs }: Pod, uid = STRANGER) => [...inCgroup(procs), ...as(uid)];
  t.is(await get("podded", ...from(web)), "practice");
  t.is(await get("podded", ...from(web, 0)), "practice");
  // In a pid namespace of its own, as a container has it.
  const contained = ["unshare", "--pid", "--fork", "--kill-child"];
  t.is(await get("podded", ...inCgroup(web.procs), ...contained, ...as(STRANGER)), "practice");

  // A user whom no rule of any credential names is told no more.
  const refusal =
    /no \[\[allow\]\] rule (names it|matches .* in the pod (shop\/api-0|stock\/web-0))/;
  for (const other of [pod("shop", "api-0"), pod("stock", "web-0")]) {
    t.regex(await get("podded", ...from(other)), refusal);
    t.regex(await get("podded", ...from(other, 0)), refusal);
    t.regex(await get("podded", ...from(other, OWNER)), refusal);
    // Without rules it is for the daemon's own user and root, in any pod.
    t.is(await get("bare", ...from(other, OWNER)), "practice");
    t.regex(await get("bare", ...from(other)), /no \[\[allow\]\] rule names it/);
  }
  // On the node itself, also as root, and where somebody else than the kubelet named the group.
  const forged = pod("shop", "web-1", `user.slice/authd-test.slice/${QOS}`);
  for (const start of [as(STRANGER), as(0), from(forged), from(forged, 0)]) {
    t.regex(await get("podded", ...start), /no \[\[allow\]\] rule (names it|matches)/);
  }
  let lines: AuditEntry[] = [];
  await until(async () => {
    const { stdout } = await owner(["audit", "--json", "--credential", "podded"]);
    const all = stdout.trim().split("\n");
    lines = all.map((line): AuditEntry => JSON.parse(line)).filter(({ peer }) => peer?.pod);
    return lines.length >= 7;
  });
  t.like(lines[0]?.peer, { pod: "shop/web-0", container: web.container, socket: "pods" });
  t.true(lines.some(({ peer, outcome }) => peer?.pod === "stock/web-0" && outcome !== "ok"));
}

test("a daemon on the node tells its pods apart, by their control groups", async (t) => {
  const node = await startNode(t, []);
  await asksForPods(t, node);
  const procs = makeCgroup(t, "authd-test.slice/one");
  t.is(await node.get("grouped", ...inCgroup(procs), ...as(STRANGER)), "practice");
  const beside = makeCgroup(t, "authd-test.slice.other/one");
  t.regex(await node.get("grouped", ...inCgroup(beside), ...as(STRANGER)), /no \[\[allow\]\] rule/);
});

test("so does one in a pod of its own, which sees the groups from inside", async (t) => {
  const node = makeNode(t);
  const { procs } = node.pod("authd", "authd-node");
  const inside = [...inCgroup(procs), "unshare", "--cgroup"];
  await asksForPods(t, await startNode(t, inside, node));
});

test("with a folder that is mounted for reading only, no user of a pod puts another socket there", async (t) => {
  const { folder, socket, get, pod } = await startNode(t, []);
  const { procs } = pod("shop", "web-0");
  const mount = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"';
  const mounted = ["unshare", "--mount", "sh", "-c", mount, join(folder, "pods")];
  for (const uid of [OWNER, 0]) {
    const start = [...mounted, ...inCgroup(procs), ...as(uid)];
    const [command = "", ...args] = [...start, "mv", socket, `${socket}.old`];
    t.regex((await run(t, command, args)).stderr, /Read-only file system/);
    t.is(await get("podded", ...start), "practice");
  }
});

test("one that does not see the node's processes lets no pod in", async (t) => {
  const apart = ["unshare", "--pid", "--fork", "--mount-proc"];
  const node = await startNode(t, apart);
  const { procs } = node.pod("shop", "web-0");
  t.regex(await node.get("podded", ...inCgroup(procs), ...as(STRANGER)), /no \[\[allow\]\] rule/);
});
