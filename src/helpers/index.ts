/** All helpers, by the tool that each answers, in the order in which `authd helper list` shows them. */
import type { HelperRow } from "./helper.ts";

export const helpers: Readonly<Record<string, HelperRow>> = {
  git: {
    summary: "git fetch, push and clone over https",
    target: "HOST[/PATH]",
    asksByHost: true,
    load: () => import("./git.ts"),
  },
  docker: {
    summary: "docker, podman and skopeo at a registry",
    target: "REGISTRY",
    asksByHost: true,
    load: () => import("./docker.ts"),
  },
  kubectl: {
    summary: "kubectl and other clients of a Kubernetes cluster",
    target: "CONTEXT",
    asksByHost: false,
    load: () => import("./kubectl.ts"),
  },
  aws: {
    summary: "the AWS command line and SDKs",
    target: "PROFILE",
    asksByHost: false,
    load: () => import("./aws.ts"),
  },
  cargo: {
    summary: "cargo with private registries",
    target: "HOST[/PATH]",
    asksByHost: true,
    load: () => import("./cargo.ts"),
  },
  pip: {
    summary: "pip and uv with private indexes",
    target: "HOST[/PATH]",
    asksByHost: true,
    load: () => import("./pip.ts"),
  },
  twine: {
    summary: "twine, and other programs in Python that ask keyring",
    target: "HOST[/PATH]",
    asksByHost: true,
    load: () => import("./twine.ts"),
  },
  pnpm: {
    summary: "pnpm with private registries",
    target: "HOST[/PATH]",
    asksByHost: true,
    load: () => import("./pnpm.ts"),
  },
  yarn: {
    summary: "Yarn, from version 2 on, with private registries",
    target: "HOST[/PATH]",
    asksByHost: true,
    load: () => import("./yarn.ts"),
  },
  terraform: {
    summary: "Terraform and OpenTofu with private registries",
    target: "HOST",
    asksByHost: true,
    load: () => import("./terraform.ts"),
  },
  bazel: {
    summary: "Bazel's downloads and remote caches",
    target: "HOST",
    asksByHost: true,
    load: () => import("./bazel.ts"),
  },
  gcp: {
    summary: "Google's libraries, for workload identity",
    target: "FILE",
    asksByHost: false,
    load: () => import("./gcp.ts"),
  },
  mail: {
    summary: "mail programs that sign in with a token",
    target: "ACCOUNT",
    asksByHost: false,
    load: () => import("./mail.ts"),
  },
  agent: {
    summary: "command lines of agents",
    target: "PROGRAM",
    asksByHost: false,
    load: () => import("./agent.ts"),
  },
  systemd: {
    summary: "units that load credentials",
    target: "ID",
    asksByHost: false,
    load: () => import("./systemd.ts"),
  },
};
