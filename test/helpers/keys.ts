/** Keys that sign, made for one test run. */
import { generateKeyPairSync, type KeyObject } from "node:crypto";

export interface TestKey {
  /** PKCS #8. */
  pem: string;
  privateKey: KeyObject;
  publicKey: KeyObject;
  /** The public half as JWK, for an issuer. */
  publicJwk: Record<string, unknown>;
  /** The private key as JWK. */
  jwk: Record<string, unknown>;
}

export function ecKey(namedCurve = "P-256"): TestKey {
  return testKey(generateKeyPairSync("ec", { namedCurve }));
}

export function rsaKey(): TestKey {
  return testKey(generateKeyPairSync("rsa", { modulusLength: 2_048 }));
}

export function edKey(): TestKey {
  return testKey(generateKeyPairSync("ed25519"));
}

function testKey({
  privateKey,
  publicKey,
}: {
  privateKey: KeyObject;
  publicKey: KeyObject;
}): TestKey {
  return {
    ...{ privateKey, publicKey },
    pem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    publicJwk: { ...publicKey.export({ format: "jwk" }) },
    jwk: { ...privateKey.export({ format: "jwk" }) },
  };
}
