/** Signs JWTs (RFC 7515, RFC 7519) with the system's own crypto: a library would delay the first token of a daemon. */
import { Buffer } from "node:buffer";
import { constants, createHmac, type SignKeyObjectInput, sign } from "node:crypto";
import type { SigningKey } from "./signing-key.ts";

interface Unsigned {
  key: SigningKey | { algorithm: string; secret: string };
  /** Further members of the header. */
  header?: Readonly<Record<string, unknown>>;
  claims: Readonly<Record<string, unknown>>;
}

/** Returns a signed JWT in compact form (RFC 7515 section 3.1). */
export async function signJwt({ key, header, claims }: Unsigned): Promise<string> {
  const keyId = "secret" in key ? undefined : key.keyId;
  const head = {
    alg: key.algorithm,
    typ: "JWT",
    ...(keyId === undefined ? {} : { kid: keyId }),
    ...header,
  };
  const text = `${base64url(head)}.${base64url(claims)}`;
  const signature = "secret" in key ? authenticated(text, key) : await signed(text, key);
  return `${text}.${signature.toString("base64url")}`;
}

function base64url(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

/** HMAC with SHA-2 (RFC 7518 section 3.2). */
function authenticated(
  text: string,
  { algorithm, secret }: { algorithm: string; secret: string },
): Buffer {
  return createHmac(`sha${algorithm.slice(-3)}`, secret)
    .update(text)
    .digest();
}

/** RFC 7518 sections 3.3 to 3.5, RFC 8037 section 3.1. Off the event loop: RSA takes milliseconds. */
function signed(text: string, { key, algorithm }: SigningKey): Promise<Buffer> {
  const digest = algorithm === "EdDSA" ? null : `sha${algorithm.slice(-3)}`;
  const options: SignKeyObjectInput = { key, dsaEncoding: "ieee-p1363" };
  if (algorithm.startsWith("PS")) {
    options.padding = constants.RSA_PKCS1_PSS_PADDING;
    options.saltLength = constants.RSA_PSS_SALTLEN_DIGEST;
  }
  return new Promise((resolve, reject) => {
    sign(digest, Buffer.from(text), options, (error, signature) =>
      error ? reject(error) : resolve(signature),
    );
  });
}
