/** Signs the request that tells who somebody is at AWS (Signature Version 4). */
import { createHash, createHmac } from "node:crypto";

/** The header in which Google wants its audience signed: the request is of no use to anybody else. */
export const AUDIENCE_HEADER = "x-goog-cloud-target-resource";

const QUERY = { Action: "GetCallerIdentity", Version: "2011-06-15" };

/** Keys of AWS that sign requests. */
export interface AwsKeys {
  accessKeyId: string;
  secretAccessKey: string;
  /** Of temporary keys. */
  sessionToken?: string;
}

interface ToSign {
  keys: AwsKeys;
  region: string;
  stsUrl: string;
  audience: string;
  /** Wall clock, ms. */
  now: number;
}

interface SignedIdentity {
  /** The signed request in the spelling of AIP-4117: JSON, percent-encoded. */
  token: string;
  /** The part of it that nobody else could make. */
  authorization: string;
}

/** Signs with Signature Version 4. */
export async function signedCallerIdentity(toSign: ToSign): Promise<SignedIdentity> {
  const { keys, region, stsUrl, audience, now } = toSign;
  const { SignatureV4, clearCredentialCache } = await import("@smithy/signature-v4");
  const url = new URL(stsUrl);
  for (const [name, value] of Object.entries(QUERY)) url.searchParams.set(name, value);
  const signer = new SignatureV4({
    ...{ credentials: keys, region, service: "sts", sha256: Sha256, applyChecksum: false },
  });
  const request = {
    method: "POST",
    protocol: url.protocol,
    hostname: url.hostname,
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    headers: { host: url.host, [AUDIENCE_HEADER]: audience },
  };
  const { headers } = await signer.sign(request, { signingDate: new Date(now) });
  // It keeps keys that are made of the secret one.
  clearCredentialCache();
  const pairs = Object.entries(headers).map(([key, value]) => ({ key, value }));
  const signed = { url: url.href, method: request.method, headers: pairs };
  const { authorization = "" } = headers;
  return { token: encodeURIComponent(JSON.stringify(signed)), authorization };
}

/** SHA-256 as the signer wants it; HMAC with a key. */
class Sha256 {
  readonly #hash;

  constructor(key?: string | ArrayBuffer | ArrayBufferView) {
    const isKeyed = key !== undefined;
    this.#hash = isKeyed ? createHmac("sha256", key as string | Buffer) : createHash("sha256");
  }

  update(data: Uint8Array): void {
    this.#hash.update(data);
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }

  /** Never called: each object is for one digest. */
  reset(): void {}
}
