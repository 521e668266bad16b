import { createHash } from "node:crypto";
import test from "ava";
import { newFleetKey, tokenDigest } from "../../../src/vault/store/fleet-key.ts";

test("a token's digest is the same on all hosts, and nobody without their key can make it", (t) => {
  const [key, other] = [newFleetKey(), newFleetKey()];
  const digest = tokenDigest(key, "practice");
  t.is(tokenDigest({ ...key }, "practice"), digest);
  t.not(tokenDigest(other, "practice"), digest);
  t.not(tokenDigest(key, "another"), digest);
  t.not(createHash("sha256").update("practice").digest("base64url"), digest);
});
