/** The Kubernetes manifests, as objects. */
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { run } from "./child.ts";
import { absent, missing } from "./optional.ts";
import { ROOT } from "./sources.ts";
import { pythonPackages } from "./tool-packages.ts";

export const MANIFESTS = join(ROOT, "kubernetes");
const TO_JSON = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))";

/** Returns the folder of Python and of kubernetes-validate. */
export const manifestTools = () => pythonPackages("kubernetes-validate==1.37.0", "PyYAML");

interface Mount {
  name: string;
  mountPath: string;
  readOnly?: boolean;
}
export interface Container {
  image: string;
  args?: string[];
  command?: string[];
  env?: { name: string; value?: string }[];
  volumeMounts: Mount[];
  securityContext: {
    runAsUser?: number;
    runAsGroup?: number;
    allowPrivilegeEscalation: boolean;
    readOnlyRootFilesystem: boolean;
    capabilities: { drop: string[]; add?: string[] };
  };
  [probe: `${string}Probe`]: { exec: { command: string[] }; timeoutSeconds: number };
}
interface PodSpec {
  containers: [Container];
  initContainers: [Container];
  terminationGracePeriodSeconds: number;
  securityContext: { runAsUser?: number; fsGroup: number; supplementalGroups: number[] };
  volumes: { name: string; hostPath?: { path: string } }[];
}

export interface DaemonSet {
  spec: { template: { spec: PodSpec } };
}
export interface Pod {
  spec: PodSpec;
}
export interface ConfigMap {
  data: { "config.toml": string };
}

/** Reads a manifest; undefined, with the test ended, without Python. */
export async function readManifest<Manifest>(
  t: ExecutionContext,
  name: string,
): Promise<Manifest | undefined> {
  if (absent("python3").length > 0) return void missing(t, "python3 is not installed");
  const python = join(manifestTools(), "python");
  const { stdout, stderr } = await run(t, python, ["-c", TO_JSON, join(MANIFESTS, name)]);
  if (!stdout) t.fail(stderr);
  return JSON.parse(stdout);
}

export const variable = ({ env }: Container, name: string) =>
  env?.find((one) => one.name === name)?.value;
export const pathOf = ({ volumeMounts }: Container, name: string) =>
  volumeMounts.find((mount) => mount.name === name)?.mountPath ?? "";
