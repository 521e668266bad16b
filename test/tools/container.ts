/** The Containerfile, built and run by the real buildah and podman, as root; and as the Kubernetes manifests say. */
import { chmodSync, chownSync, mkdirSync, mkdtempSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { removeFolder } from "../../src/base/remove-folder.ts";
import { type Containers, containers } from "../helpers/containers.ts";
import { addStatic, startHost, succeeded } from "../helpers/fleet.ts";
import {
  type ConfigMap,
  type Container,
  type DaemonSet,
  readManifest,
} from "../helpers/manifests.ts";
import { readDocument } from "../helpers/markdown.ts";
import { absent, missing } from "../helpers/optional.ts";
import { startPostgres } from "../helpers/postgres.ts";
import { until } from "../helpers/until.ts";

test("the image is built of this checkout, runs without root, answers probes and ends in order", async (t) => {
  t.timeout(900_000);
  const gone = absent("buildah", "podman", "crun", "debootstrap");
  if (gone.length > 0) return missing(t, `not installed: ${gone.join(", ")}`);
  const { build, podman, run, start } = containers(t);
  await build();
  const [image] = JSON.parse((await podman(["image", "inspect", "localhost/authd"])).stdout);
  const { Config, Healthcheck } = image;
  t.is(Config.User, "64010:64010");
  t.deepEqual((Config.Healthcheck ?? Healthcheck).Test, ["CMD", "authd", "health"]);

  const hardened = ["--read-only", "--cap-drop=all", "--security-opt=no-new-privileges"];
  const asDocumented = documentedOptions();
  const daemon = start("authd", [...hardened, ...asDocumented]);
  await daemon.says("authd listens on /run/authd/authd.sock");
  const inside = (...args: string[]) => podman(["exec", "authd", ...args]);
  t.is((await inside("authd", "health")).stdout.split("\n")[0], "ready");
  t.is((await inside("id", "-u")).stdout, "64010\n");
  t.is((await inside("cat", "/proc/1/comm")).code, 0);
  const add = ["exec", "-i", "authd", "authd", "add", "mine", "--grant", "static"];
  const added = await podman([...add, "--secrets-from", "-"], '{"token":"practice"}');
  t.is(added.code, 0, added.stderr);
  t.is((await inside("authd", "get", "mine")).stdout, "practice\n");
  await until(async () => (await inside("authd", "doctor")).stdout.includes("mine"));
  const socket = asDocumented.find((option) => option.endsWith(":/run/authd"));
  const other = await run([...hardened, socket!], ["get", "mine"]);
  t.is(other.stdout, "practice\n", other.stderr);
  const [{ Config: ran }] = JSON.parse((await podman(["inspect", "authd"])).stdout);
  t.true(ran.StopTimeout >= 125, "as long as the daemon may wait for an issuer");
  t.is((await podman(["stop", "authd"])).code, 0);
  const { code, stderr } = await daemon.ended;
  t.is(code, 0, stderr);

  const nobody = await run(hardened, ["health"]);
  t.is(nobody.code, 3, nobody.stderr);
  await asOnANode(t, { podman, run, start });
});

/** Options of `podman run`, as the document has them. */
function documentedOptions(): string[] {
  const { text } = readDocument("docs/fleet.md");
  const [, options = ""] =
    /^podman run (.*--stop-timeout.*) authd$/m.exec(text.replaceAll("\\\n", "")) ?? [];
  return options.split(/\s+/).filter((option) => !/^--(detach|name=)/.test(option));
}

/** What the kubelet makes of a manifest's volumes is in folders of their names. */
const optionsOf = (node: string, { volumeMounts, env = [], securityContext }: Container) => [
  ...volumeMounts.map(({ name, mountPath, readOnly }) => {
    return `--volume=${join(node, name)}:${mountPath}${readOnly ? ":ro" : ""}`;
  }),
  ...env.map(({ name, value = "node-1" }) => `--env=${name}=${value}`),
  ...(securityContext.readOnlyRootFilesystem ? ["--read-only"] : []),
  ...securityContext.capabilities.drop.map((name) => `--cap-drop=${name}`),
  ...(securityContext.capabilities.add ?? []).map((name) => `--cap-add=${name}`),
  ...(securityContext.allowPrivilegeEscalation ? [] : ["--security-opt=no-new-privileges"]),
];

/** Makes what the kubelet does for the volumes, and a store that has the credential of the manifests. */
async function makeNode(t: ExecutionContext, config: string) {
  // Root's alone: a client looks at who may change the folders above a socket.
  const node = mkdtempSync("/run/authd-test-");
  t.teardown(() => removeFolder(node));
  chmodSync(node, 0o755);
  const names = ["state", "sockets", "configuration", "credentials", "pods"];
  for (const name of names) mkdirSync(join(node, name), { mode: 0o755 });
  chmodSync(join(node, "state"), 0o777);
  const server = await startPostgres(t);
  const { url, password } = await server.createDatabase();
  const one = await startHost(t, { url, password: password!() }, "one");
  await addStatic(t, one, "labelf");
  succeeded(t, await one.cli(["vault", "move", "--to", url]));
  const key = succeeded(t, await one.cli(["fleet", "key", "nodes"])).stdout;
  for (const [name, text] of Object.entries({ "store-key": key, "store-password": password!() })) {
    writeFileSync(join(node, "credentials", name), text, { mode: 0o440 });
    chownSync(join(node, "credentials", name), 0, 64_010);
  }
  const own = `postgres://owner@127.0.0.1:${server.port}${new URL(url).pathname}`;
  const text = config.replace(/^url = .*$/m, `url = "${own}"`);
  writeFileSync(join(node, "configuration/config.toml"), text);
  return node;
}

/**
 * Runs the containers of the DaemonSet as the manifest says, but for the node's processes, which podman does not show
 * here.
 */
async function asOnANode(t: ExecutionContext, { podman, run, start }: Omit<Containers, "build">) {
  const daemonSet = await readManifest<DaemonSet>(t, "daemonset.yaml");
  const map = await readManifest<ConfigMap>(t, "configuration.yaml");
  if (!daemonSet || !map) return;
  const node = await makeNode(t, map.data["config.toml"]);
  const { initContainers, containers: all } = daemonSet.spec.template.spec;
  const [folders, authd] = [initContainers[0], all[0]];
  const [shell = "", ...script] = folders.command ?? [];
  const asRoot = ["--user=0", `--entrypoint=${shell}`];
  const made = await run([...asRoot, ...optionsOf(node, folders)], script);
  t.is(made.code, 0, made.stderr);

  const { runAsUser, runAsGroup } = authd.securityContext;
  const user = [`--user=${runAsUser}:${runAsGroup}`, "--group-add=0"];
  const daemon = start("node", [...user, ...optionsOf(node, authd)], authd.args);
  await daemon.says("authd listens on /state/run/authd.sock");
  const isReady = async () => (await podman(["exec", "node", "authd", "health"])).code === 0;
  await until(isReady);

  const got = await podman(["exec", "node", "authd", "get", "labelf"]);
  t.is(got.stdout, "token-of-labelf\n", got.stderr);
  const { mode, uid, gid } = statSync(join(node, "sockets/authd.sock"));
  t.deepEqual([mode & 0o777, uid, gid], [0o660, runAsUser, runAsGroup]);
  t.is((await podman(["stop", "--time=30", "node"])).code, 0);
  t.is((await daemon.ended).code, 0);
}
