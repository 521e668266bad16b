/** What clouds have on their machines for the programs there, and the issuers that trust it: one server, a folder a host. */
import { AWS_KEYS, callerIdentity, instanceMetadata } from "./aws.ts";
import { type Issuer, type RecordedRequest, type StubResponse, startIssuer } from "./issuer.ts";
import type { Scope } from "./scope.ts";

/** The texts of the files that Kubernetes puts into a pod, by their paths. */
export const POD_FILES = {
  "/var/run/secrets/tokens/gcp": "practice-pod-for-google",
  "/var/run/secrets/azure/tokens/azure-identity-token": "practice-pod-for-entra",
  "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token":
    "practice-pod-for-eks",
} as const;

const EKS_TOKEN =
  POD_FILES["/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token"];

/** What a host answers to a request whose path is the one below the host; absent: nothing is there. */
type Host = (seen: RecordedRequest, url: URL) => StubResponse | undefined;

const awsInstance = instanceMetadata({}) as (seen: RecordedRequest) => StubResponse;

const hosts: Record<string, Host> = {
  "169.254.169.254": (seen, url) => {
    if (url.pathname.startsWith("/latest/")) return awsInstance(seen);
    if (url.pathname === "/metadata/identity/oauth2/token") return azureIdentity(seen, url);
    return url.pathname.startsWith(GOOGLE) ? googleMetadata(seen, url) : undefined;
  },
  "169.254.170.23": ({ path, headers }) => {
    if (path !== "/v1/credentials") return undefined;
    return headers.authorization === EKS_TOKEN ? { json: AWS_KEYS } : { status: 401 };
  },
  "sts.googleapis.com": exchange,
  "login.microsoftonline.com": exchange,
  "login.example.com": exchange,
};

/** Azure's Instance Metadata Service: numbers are strings there. */
function azureIdentity({ headers }: RecordedRequest, { searchParams }: URL): StubResponse {
  const refused = (error_description: string) => ({
    ...{ status: 400, json: { error: "invalid_request", error_description } },
  });
  if (headers.metadata?.toString().toLowerCase() !== "true") {
    return refused("Required metadata header not specified");
  }
  if (searchParams.get("api-version") !== "2018-02-01") return refused("api-version");
  const resource = searchParams.get("resource") ?? "";
  const expiresAt = Math.floor(Date.now() / 1_000) + 86_399;
  return {
    json: {
      ...{ access_token: `azure for ${resource}`, token_type: "Bearer", resource },
      ...{ expires_in: "86399", expires_on: String(expiresAt), client_id: "practice" },
    },
  };
}

const GOOGLE = "/computeMetadata/v1/instance/service-accounts/default/";

function googleMetadata({ headers }: RecordedRequest, { pathname, searchParams }: URL) {
  if (headers["metadata-flavor"] !== "Google") return { status: 403 };
  const told = { "metadata-flavor": "Google" };
  if (pathname === `${GOOGLE}identity`) {
    return { headers: told, body: `google for ${searchParams.get("audience")}` };
  }
  const json = { access_token: "google itself", expires_in: 3_599, token_type: "Bearer" };
  return pathname === `${GOOGLE}token` ? { headers: told, json } : undefined;
}

/** An issuer that tells, as its token, what it was given. */
function exchange({ form }: RecordedRequest): StubResponse {
  const given = form.get("subject_token") ?? form.get("client_assertion") ?? "";
  const isAws = form.get("subject_token_type")?.endsWith("aws4_request");
  const access_token = isAws ? `signed in ${callerIdentity(given).named.host}` : given;
  return { json: { access_token: `got ${access_token}`, token_type: "Bearer", expires_in: 3_599 } };
}

export interface Platforms {
  requests: readonly RecordedRequest[];
  /** Has one host answer this, whatever it is asked; "never": nothing at all; undefined: as at first. */
  answer(host: string, response: StubResponse | "never" | undefined): void;
  /** Puts the server in place of the hosts' addresses in a text. */
  here(text: string): string;
}

export async function startPlatforms(t: Scope): Promise<Platforms> {
  const others = new Map<string, StubResponse | "never">();
  const server: Issuer = await startIssuer(t, (seen) => {
    const [, host = "", path = "/"] = /^\/([^/]+)(\/.*)$/.exec(seen.path) ?? [];
    const url = new URL(path, "http://here");
    const other = others.get(host);
    if (other === "never") return undefined;
    return other ?? hosts[host]?.({ ...seen, path }, url) ?? { status: 404 };
  });
  return {
    requests: server.requests,
    answer(host, response) {
      if (response) others.set(host, response);
      else others.delete(host);
    },
    here: (text) =>
      Object.keys(hosts).reduce(
        (all, host) =>
          all.replaceAll(new RegExp(`https?://${host}(?=/)`, "g"), `${server.origin}/${host}`),
        text,
      ),
  };
}
