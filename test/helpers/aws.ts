/** What AWS has on its machines, and what its STS makes of a signed request. */
import { createHash, createHmac } from "node:crypto";
import { type Issuer, type Responder, startIssuer } from "./issuer.ts";
import type { Scope } from "./scope.ts";

export const AWS_KEYS = {
  AccessKeyId: "ASIAPRACTICE",
  SecretAccessKey: "practice-secret-access-key",
  Token: "practice-session-token/+=",
};

const SESSION = "practice-metadata-session";
const ROOT = "/latest/meta-data/";

/** The metadata service of an instance in eu-central-1 with a role; without a session (IMDSv2) it refuses. */
export async function startInstanceMetadata(t: Scope): Promise<Issuer> {
  return await startIssuer(t, instanceMetadata({}));
}

/** The same with other answers, by path below `meta-data`; undefined: there is nothing. */
export function instanceMetadata(others: Record<string, string | undefined>): Responder {
  const answers: Record<string, string | undefined> = {
    "placement/region": "eu-central-1",
    "iam/security-credentials/": "reports\n",
    "iam/security-credentials/reports": JSON.stringify({ Code: "Success", ...AWS_KEYS }),
    ...others,
  };
  return ({ method, path, headers }) => {
    if (method === "PUT" && path === "/latest/api/token") {
      const isAsked = headers["x-aws-ec2-metadata-token-ttl-seconds"] !== undefined;
      return isAsked ? { body: SESSION } : { status: 400 };
    }
    if (headers["x-aws-ec2-metadata-token"] !== SESSION) return { status: 401 };
    const body = answers[path.slice(ROOT.length)];
    return body === undefined ? { status: 404 } : { body };
  };
}

interface SignedRequest {
  url: string;
  method: string;
  headers: { key: string; value: string }[];
}

/**
 * Returns the headers of a signed request, read from a subject token (AIP-4117). Throws an Error unless its signature
 * is right, computed here as "Signature Version 4" has it.
 */
export function callerIdentity(
  subjectToken: string,
  { SecretAccessKey }: Pick<typeof AWS_KEYS, "SecretAccessKey"> = AWS_KEYS,
): SignedRequest & { named: Record<string, string> } {
  const request = JSON.parse(decodeURIComponent(subjectToken)) as SignedRequest;
  const named = Object.fromEntries(
    request.headers.map(({ key, value }) => [key.toLowerCase(), value]),
  );
  const { authorization = "", "x-amz-date": date = "" } = named;
  const [, scope = "", list = "", signature = ""] =
    /Credential=[^/]+\/(\S+), SignedHeaders=(\S+), Signature=(\S+)$/.exec(authorization) ?? [];
  const url = new URL(request.url);
  const query = [...url.searchParams].sort().map(([name, value]) => `${name}=${value}`);
  const canonical = [
    ...[request.method, url.pathname, query.join("&")],
    ...list.split(";").map((name) => `${name}:${named[name]}`),
    ...["", list, createHash("sha256").update("").digest("hex")],
  ].join("\n");
  const digest = createHash("sha256").update(canonical).digest("hex");
  const hmac = (key: string | Buffer, text: string) =>
    createHmac("sha256", key).update(text).digest();
  const key = scope.split("/").reduce<string | Buffer>(hmac, `AWS4${SecretAccessKey}`);
  const wanted = hmac(key, ["AWS4-HMAC-SHA256", date, scope, digest].join("\n")).toString("hex");
  if (wanted !== signature) throw new Error(`signed ${signature}, wanted ${wanted}`);
  return { ...request, named };
}
