/** The Kubernetes manifests: against the schemas of Kubernetes, and against what authd and its image really take. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { loadDaemonSettings } from "../../src/config/config.ts";
import { run } from "../helpers/child.ts";
import { startDaemon } from "../helpers/daemon.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import {
  type ConfigMap,
  type DaemonSet,
  MANIFESTS,
  manifestTools,
  type Pod,
  pathOf,
  readManifest,
  variable,
} from "../helpers/manifests.ts";
import { readDocument } from "../helpers/markdown.ts";
import { absent, missing } from "../helpers/optional.ts";
import { ROOT } from "../helpers/sources.ts";

const FILES = readdirSync(MANIFESTS).map((name) => join(MANIFESTS, name));

test("they are what the schemas of Kubernetes ask for, with no member too many", async (t) => {
  if (absent("python3").length > 0) return missing(t, "python3 is not installed");
  t.timeout(300_000);
  const validate = join(manifestTools(), "kubernetes-validate");
  const { code, stdout, stderr } = await run(t, validate, ["--strict", ...FILES]);
  t.is(code, 0, stdout + stderr);
  const wrong = join(temporaryFolder(t), "wrong.yaml");
  const text = readFileSync(join(MANIFESTS, "daemonset.yaml"), "utf8");
  writeFileSync(wrong, text.replace("hostPID:", "hostPids:"));
  t.not((await run(t, validate, ["--strict", wrong])).code, 0);
});

test("the Secret is made of the key as it comes out of a pipe, as the document says", async (t) => {
  if (absent("kubectl").length > 0) return missing(t, "kubectl is not installed");
  const { text } = readDocument("docs/fleet.md");
  const [, create = ""] =
    /^authd fleet key nodes \| (kubectl .*create secret.*)$/m.exec(text) ?? [];
  t.not(create, "");
  const cwd = temporaryFolder(t);
  writeFileSync(join(cwd, "store-password"), "practice", { mode: 0o600 });
  const script = `printf 'a line\\n' | ${create} --dry-run=client -o json`;
  const { stdout, stderr } = await run(t, "sh", ["-c", script], { cwd });
  t.is(stderr, "");
  const base64 = (plain: string) => Buffer.from(plain).toString("base64");
  t.deepEqual(JSON.parse(stdout).data, {
    ...{ "store-key": base64("a line\n"), "store-password": base64("practice") },
  });
});

test("settings, folders, users and probes are those of authd and its image", async (t) => {
  const daemonSet = await readManifest<DaemonSet>(t, "daemonset.yaml");
  const map = await readManifest<ConfigMap>(t, "configuration.yaml");
  const pod = await readManifest<Pod>(t, "pod.yaml");
  if (!daemonSet || !map || !pod) return;
  const { spec } = daemonSet.spec.template;
  const [authd] = spec.containers;
  const dir = temporaryFolder(t);
  writeFileSync(join(dir, "config.toml"), map.data["config.toml"], { mode: 0o600 });
  const settings = loadDaemonSettings({ dir, env: { AUTHD_STORE_HOST: "node-1.example.com" } });
  t.like(settings.store, { host: "node-1.example.com" });
  const [socket] = settings.sockets ?? [];
  t.is(socket?.path, `${pathOf(authd, "sockets")}/authd.sock`);
  t.is(pathOf(authd, "pods"), "/var/log/pods");
  t.is(variable(authd, "CREDENTIALS_DIRECTORY"), pathOf(authd, "credentials"));
  const state = pathOf(authd, "state");
  for (const name of ["AUTHD_CONFIG_DIR", "AUTHD_STATE_DIR", "AUTHD_SOCKET"]) {
    t.true(variable(authd, name)?.startsWith(`${state}/`), name);
  }

  const { runAsUser, runAsGroup } = authd.securityContext;
  const image = readFileSync(join(ROOT, "Containerfile"), "utf8");
  t.regex(image, new RegExp(`^USER ${runAsUser}:${runAsGroup}$`, "m"));
  t.is(spec.securityContext.fsGroup, runAsGroup!);
  t.deepEqual(settings.guests?.gids, [runAsGroup]);
  t.regex(
    spec.initContainers[0].command?.at(-1) ?? "",
    new RegExp(`-o ${runAsUser} -g ${runAsGroup}`),
  );
  // As long as the daemon may wait for an issuer.
  t.true(spec.terminationGracePeriodSeconds >= 125);

  const [client] = pod.spec.containers;
  t.true(pod.spec.securityContext.supplementalGroups.includes(runAsGroup!));
  t.not(pod.spec.securityContext.runAsUser, runAsUser);
  t.true(client.volumeMounts.find(({ name }) => name === "authd")?.readOnly);
  t.is(variable(client, "AUTHD_SOCKET"), `${pathOf(client, "authd")}/authd.sock`);
  const places = [spec, pod.spec]
    .flatMap(({ volumes }) => volumes)
    .map(({ hostPath }) => hostPath?.path);
  t.deepEqual(new Set(places.filter(Boolean)), new Set(["/run/authd", "/var/log/pods"]));

  const daemon = await startDaemon(t);
  for (const probe of ["startupProbe", "livenessProbe", "readinessProbe"] as const) {
    const [command, ...args] = authd[probe]!.exec.command;
    t.is(command, "authd");
    t.is((await daemon.cli(args)).code, 0, probe);
    // Longer than the command waits for an answer.
    t.true(authd[probe]!.timeoutSeconds > 5, probe);
  }
});
