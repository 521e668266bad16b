/** Kubernetes' credential plugin: an ExecCredential (client.authentication.k8s.io) on standard output. */
import { AuthdError } from "../errors.ts";
import type { HelperCall, InstallOptions } from "./helper.ts";
import type { Change } from "./setup/change.ts";

const GROUP = "client.authentication.k8s.io";
const VERSIONS = [`${GROUP}/v1`, `${GROUP}/v1beta1`];
/** Names under which a credential keeps a client certificate and its key of the issuer's answer, as PEM. */
const [CERTIFICATE, KEY] = ["client_certificate", "client_key"] as const;

/** The type of a token that is none for a client to send (RFC 8693 section 2.2.1). */
const NO_TOKEN = "N_A";

/** What a client tells in KUBERNETES_EXEC_INFO, as far as it counts here. */
interface ExecInfo {
  apiVersion: string;
  interactive: boolean;
}

/** Answers with the token of the credential that the first word names, and its client certificate if it keeps one. */
export async function answer({ args, env, getToken, write }: HelperCall): Promise<number> {
  const [credential] = args;
  if (credential === undefined || args.length > 1) {
    const usage = "authd helper kubectl NAME: as authd helper install kubectl writes it";
    throw new AuthdError("invalid_params", usage);
  }
  const { apiVersion, interactive } = readInfo(env.KUBERNETES_EXEC_INFO);
  const params = { credential, ...(interactive ? { interactive } : {}) };
  const { accessToken, tokenType, expiresAt, extra } = await getToken(params);
  const [certificate, key] = [extra?.[CERTIFICATE], extra?.[KEY]];
  const status = {
    ...(expiresAt === null ? {} : { expirationTimestamp: timestamp(expiresAt) }),
    ...(certificate !== undefined && key !== undefined
      ? { clientCertificateData: certificate, clientKeyData: key }
      : {}),
    ...(tokenType === NO_TOKEN ? {} : { token: accessToken }),
  };
  write(`${JSON.stringify({ apiVersion, kind: "ExecCredential", status })}\n`);
  return 0;
}

/** RFC 3339, whole seconds: a token is never told to be valid for longer than it is. */
function timestamp(ms: number): string {
  return new Date(Math.floor(ms / 1_000) * 1_000).toISOString().replace(".000", "");
}

function readInfo(text: string | undefined): ExecInfo {
  if (!text) return { apiVersion: VERSIONS[0]!, interactive: false };
  const { apiVersion, spec } = parse(text);
  if (typeof apiVersion !== "string" || !VERSIONS.includes(apiVersion)) {
    const message = `KUBERNETES_EXEC_INFO asks for another version than ${VERSIONS.join(" or ")}`;
    throw new AuthdError("invalid_params", message);
  }
  return { apiVersion, interactive: spec?.interactive === true };
}

function parse(text: string): { apiVersion?: unknown; spec?: { interactive?: unknown } } {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    throw new AuthdError("invalid_params", "KUBERNETES_EXEC_INFO is no JSON");
  }
}

/** Each context gets a user of its own name, which runs authd. */
export async function changes(options: InstallOptions): Promise<Change[]> {
  const { env, home, command, wanted } = options;
  if (wanted.length === 0) {
    const message =
      "Which context? kubectl config get-contexts shows all: authd helper install kubectl --for CONTEXT=NAME";
    throw new AuthdError("invalid_params", message);
  }
  const { contextFile } = await import("./setup/kubeconfig.ts");
  return wanted.map(({ target, credential = "" }) => ({
    kind: "kubeconfig",
    path: contextFile(target, env, home),
    context: target,
    user: `authd-${credential}`,
    command: [...command, "helper", "kubectl", credential],
    ...{ target, credential },
  }));
}
