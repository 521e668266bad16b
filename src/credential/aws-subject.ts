/** Obtains keys of AWS where `[subject.aws]` says, and signs with them the request that is the subject token. */
import { omitUndefined } from "../base/omit-undefined.ts";
import { type AuthdError, messageOf } from "../errors.ts";
import type { IssuerRequest, IssuerResponse, SendToIssuer } from "../grants/grant.ts";
import {
  AWS_REGION,
  type AwsKeys,
  type AwsSubject,
  awsKeysUrl,
  awsStsUrl,
  readAnswer,
  signedCallerIdentity,
  textAt,
} from "../grants/index.ts";

/** Seconds for which an instance's session token is asked for: as long as one reading may take. */
const SESSION_SECONDS = "60";
const METADATA = "the metadata service of the instance";
const NO_ROLE = `${METADATA} names no role; attach one to the instance.`;

export interface AwsReader {
  aws: AwsSubject;
  secrets: Readonly<Record<string, string>>;
  /** What the signed request is for; undefined: nobody says. */
  audience: string | undefined;
  /** Wall clock, ms. */
  now: number;
  send: SendToIssuer;
  /** Returns the text of a file. Throws AuthdError. */
  content: (path: string, key: string) => string;
  failed: (why: string) => AuthdError;
}

/** The signed request, and parts of it that no error may quote. */
interface AwsToken {
  token: string;
  authorization: string;
  sessionToken?: string;
}

/** Rejects with the AuthdError of `failed`. */
export async function signedAwsSubject(reader: AwsReader): Promise<AwsToken> {
  const { aws, now, failed } = reader;
  const audience = aws.audience ?? reader.audience;
  if (audience === undefined) {
    throw failed("nothing says whom the signed request of subject.aws is for; set audience.");
  }
  const { keys, region } = await sources[aws.keys](reader);
  if (!AWS_REGION.test(region))
    throw failed(`${METADATA} names no region; set subject.aws.region.`);
  const stsUrl = awsStsUrl(aws, region);
  const signed = await signedCallerIdentity({ keys, region, stsUrl, audience, now });
  return { ...signed, ...omitUndefined({ sessionToken: keys.sessionToken }) };
}

interface Signer {
  keys: AwsKeys;
  region: string;
}

const sources: Record<AwsSubject["keys"], (reader: AwsReader) => Promise<Signer>> = {
  instance: instanceSigner,
  container: async (reader) => ({ keys: await containerKeys(reader), region: regionOf(reader) }),
  vault: async (reader) => ({ keys: vaultKeys(reader), region: regionOf(reader) }),
};

// The schema has one, but for instances.
const regionOf = ({ aws }: AwsReader) => aws.region ?? "";

function vaultKeys({ secrets, failed }: AwsReader): AwsKeys {
  const { access_key_id, secret_access_key, session_token } = secrets;
  if (access_key_id === undefined || secret_access_key === undefined) {
    throw failed(
      "the vault has no access_key_id and secret_access_key; enter them with authd set.",
    );
  }
  const sessionToken = session_token || undefined;
  return {
    ...{ accessKeyId: access_key_id, secretAccessKey: secret_access_key },
    ...omitUndefined({ sessionToken }),
  };
}

/** The endpoint of ECS tasks and of EKS pods. */
async function containerKeys(reader: AwsReader): Promise<AwsKeys> {
  const { aws, content } = reader;
  const { token_file: file } = aws;
  const headers = omitUndefined({
    authorization: file && content(file, "subject.aws.token_file").trim(),
  });
  const what = "the endpoint of subject.aws.url";
  return keysIn(reader, await ask(reader, what, { url: awsKeysUrl(aws) ?? "", headers }), what);
}

/** Asks the second version of the service: a session first (IMDSv2). */
async function instanceSigner(reader: AwsReader): Promise<Signer> {
  const { aws, failed } = reader;
  const base = `${(awsKeysUrl(aws) ?? "").replace(/\/$/, "")}/latest`;
  const session = await ask(reader, METADATA, {
    ...{ method: "PUT", url: `${base}/api/token` },
    headers: { "x-aws-ec2-metadata-token-ttl-seconds": SESSION_SECONDS },
  });
  const headers = { "x-aws-ec2-metadata-token": tokenIn(reader, session) };
  const get = (path: string, absent?: string) =>
    ask(reader, METADATA, {
      ...{ url: `${base}/meta-data/${path}`, headers },
      ...omitUndefined({ absent }),
    });
  const roles = "iam/security-credentials/";
  const [region, names] = await Promise.all([
    aws.region ?? get("placement/region").then(({ text }) => text.trim()),
    get(roles, NO_ROLE),
  ]);
  const [role = ""] = names.text.trim().split(/\s/);
  if (role === "") throw failed(NO_ROLE);
  const keys = keysIn(reader, await get(roles + encodeURIComponent(role)), METADATA);
  return { keys, region };
}

function tokenIn({ failed }: AwsReader, { text }: IssuerResponse): string {
  if (/^[\x21-\x7e]+$/.test(text.trim())) return text.trim();
  throw failed(`${METADATA} gives no session token; check subject.aws.url.`);
}

type Asked = Pick<IssuerRequest, "url" | "headers"> & {
  method?: string;
  /** What it means that there is nothing at the address; undefined: nothing else than any other refusal. */
  absent?: string;
};

async function ask(
  reader: AwsReader,
  what: string,
  { absent, ...asked }: Asked,
): Promise<IssuerResponse> {
  const { send, failed } = reader;
  const request = { method: "GET", ...asked, urlKey: "subject.aws.url", repeatable: true };
  const response = await send(request).catch((error) => {
    const help = what === METADATA ? " (from a container: with a hop limit of 2)" : "";
    throw failed(`${what} can't be asked${help}: ${messageOf(error)}`);
  });
  if (response.status >= 200 && response.status <= 299) return response;
  if (response.status === 404 && absent !== undefined) throw failed(absent);
  const { pathname } = new URL(asked.url);
  throw failed(
    `${what} answered HTTP ${response.status} to ${request.method} ${pathname}; check it.`,
  );
}

function keysIn({ failed }: AwsReader, response: IssuerResponse, what: string): AwsKeys {
  const answer = readAnswer(response);
  const [accessKeyId, secretAccessKey, sessionToken] = [
    "AccessKeyId",
    "SecretAccessKey",
    "Token",
  ].map((name) => textAt(`/${name}`, answer));
  if (!accessKeyId || !secretAccessKey) {
    throw failed(`${what} tells no keys (AccessKeyId and SecretAccessKey); check its role.`);
  }
  return { accessKeyId, secretAccessKey, ...omitUndefined({ sessionToken }) };
}
