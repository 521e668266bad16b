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
};
