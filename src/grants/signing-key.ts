/** Reads the private keys that sign JWTs: PEM (PKCS #8, PKCS #1, SEC 1) or JWK (RFC 7517). */
import { createPrivateKey, type KeyObject } from "node:crypto";
import { AuthdError } from "../errors.ts";

/** Algorithms of a private key (RFC 7518 section 3.1, RFC 8037). */
export const privateAlgorithms = [
  ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
  ...["ES256", "ES384", "ES512", "EdDSA"],
] as const;
/** Algorithms of a shared secret. */
export const secretAlgorithms = ["HS256", "HS384", "HS512"] as const;

/** The algorithm that suits a key, by its type or its curve. */
const USUAL: Readonly<Record<string, string>> = {
  rsa: "RS256",
  "rsa-pss": "PS256",
  prime256v1: "ES256",
  secp384r1: "ES384",
  secp521r1: "ES512",
  ed25519: "EdDSA",
};

/** A key, and the header members that say which one it is. */
export interface SigningKey {
  key: KeyObject;
  algorithm: string;
  keyId?: string;
}

interface Given {
  algorithm?: string | undefined;
  keyId?: string | undefined;
}

/**
 * Reads a private key. `algorithm` and `keyId` win over those of a JWK. Throws AuthdError `invalid_params` that
 * names the secret `name`, never its content.
 */
export function readSigningKey(text: string, name: string, given: Given = {}): SigningKey {
  const found = parseKey(text);
  if (typeof found === "string") {
    throw new AuthdError("invalid_params", `its secret "${name}" ${found}: enter it again.`);
  }
  const { key, jwk = {} } = found;
  const algorithm = given.algorithm ?? asText(jwk.alg) ?? usualAlgorithm(key);
  const keyId = given.keyId ?? asText(jwk.kid);
  if (algorithm !== undefined && fits(key, algorithm)) {
    return { key, algorithm, ...(keyId === undefined ? {} : { keyId }) };
  }
  throw new AuthdError(
    "invalid_params",
    `its secret "${name}" is a key that can't sign with ${algorithm ?? "any algorithm of JWTs"}: set algorithm, or enter another key.`,
  );
}

/** Returns what is wrong with a private key, as the end of a sentence; undefined: nothing. */
export function whyNoSigningKey(text: string): string | undefined {
  const found = parseKey(text);
  return typeof found === "string" ? found : undefined;
}

function parseKey(text: string): { key: KeyObject; jwk?: Record<string, unknown> } | string {
  try {
    if (!text.trimStart().startsWith("{")) return { key: createPrivateKey(text) };
    const jwk = JSON.parse(text) as Record<string, unknown>;
    return { key: createPrivateKey({ key: jwk, format: "jwk" }), jwk };
  } catch {
    // The error may quote the key.
    if (/ENCRYPTED/.test(text)) {
      return "is an encrypted key: the vault seals it; openssl pkey -in FILE decrypts it";
    }
    return "is no private key, neither in PEM nor as JWK";
  }
}

function usualAlgorithm(key: KeyObject): string | undefined {
  const { asymmetricKeyType = "", asymmetricKeyDetails } = key;
  return USUAL[asymmetricKeyDetails?.namedCurve ?? asymmetricKeyType];
}

function fits(key: KeyObject, algorithm: string): boolean {
  const usual = usualAlgorithm(key);
  const isRsa = /^[RP]S\d+$/.test(algorithm) && key.asymmetricKeyType === "rsa";
  const isPss = algorithm.startsWith("PS") && key.asymmetricKeyType === "rsa-pss";
  return isRsa || isPss || algorithm === usual;
}

function asText(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
