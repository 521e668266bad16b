/** JWTs as jose, another implementation, reads them. */
import { createSecretKey, generateKeyPairSync, type KeyObject, verify } from "node:crypto";
import test from "ava";
import { compactVerify, decodeProtectedHeader } from "jose";
import { signJwt } from "../../src/grants/sign-jwt.ts";
import { privateAlgorithms, secretAlgorithms } from "../../src/grants/signing-key.ts";

const claims = { iss: "demo", text: "ü" };

function pairFor(algorithm: string): { privateKey: KeyObject; publicKey: KeyObject } {
  if (algorithm === "EdDSA") return generateKeyPairSync("ed25519");
  const curve = { ES256: "P-256", ES384: "P-384", ES512: "P-521" }[algorithm];
  return curve === undefined
    ? generateKeyPairSync("rsa", { modulusLength: 2048 })
    : generateKeyPairSync("ec", { namedCurve: curve });
}

for (const algorithm of privateAlgorithms) {
  test(`${algorithm} is verified with the public key`, async (t) => {
    const { privateKey, publicKey } = pairFor(algorithm);
    const key = { key: privateKey, algorithm, keyId: "one" };
    const token = await signJwt({ key, header: { typ: "other" }, claims });
    const { payload } = await compactVerify(token, publicKey, { algorithms: [algorithm] });
    t.deepEqual(JSON.parse(new TextDecoder().decode(payload)), claims);
    t.deepEqual(decodeProtectedHeader(token), { alg: algorithm, typ: "other", kid: "one" });
  });
}

for (const algorithm of secretAlgorithms) {
  test(`${algorithm} is verified with the secret`, async (t) => {
    const secret = "practice-secret-that-is-long-enough-for-any-of-these-digests-and-more";
    const token = await signJwt({ key: { algorithm, secret }, claims });
    const { payload } = await compactVerify(token, createSecretKey(secret, "utf8"), {
      algorithms: [algorithm],
    });
    t.deepEqual(JSON.parse(new TextDecoder().decode(payload)), claims);
    t.deepEqual(decodeProtectedHeader(token), { alg: algorithm, typ: "JWT" });
  });
}

test("a key of RSA-PSS signs, too", async (t) => {
  // jose takes no such keys.
  const { privateKey, publicKey } = generateKeyPairSync("rsa-pss", { modulusLength: 2048 });
  const token = await signJwt({ key: { key: privateKey, algorithm: "PS256" }, claims });
  const end = token.lastIndexOf(".");
  const signature = Buffer.from(token.slice(end + 1), "base64url");
  t.true(verify("sha256", Buffer.from(token.slice(0, end)), publicKey, signature));
});
