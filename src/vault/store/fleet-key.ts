import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from "node:crypto";
import { derivedKey } from "../derived-key.ts";
import { decrypt, encrypt, seal, unseal } from "../sealed-file.ts";
import { StoreRefusal } from "./store-refusal.ts";

const KEY_BYTES = 32;
/** What stands before the 32 bytes of an X25519 key in DER (RFC 8410). */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b656e04220420", "hex");
const SPKI_PREFIX = Buffer.from("302a300506032b656e032100", "hex");
const PURPOSE = "authd fleet key for one host";

/** The key that seals the shared records; `id` names it. */
export interface FleetKey {
  readonly key: Buffer;
  readonly id: string;
}

export function newFleetKey(): FleetKey {
  return fleetKeyOf(randomBytes(KEY_BYTES));
}

/** Returns the id of a key, from which nothing of it can be found. */
export function fleetKeyOf(key: Buffer): FleetKey {
  const id = Buffer.from(hkdfSync("sha256", key, Buffer.alloc(0), "authd fleet key id", 8));
  return { key, id: id.toString("hex") };
}

/** A host's own key pair (X25519), made of 32 secret bytes. */
export interface HostKeys {
  readonly privateKey: KeyObject;
  /** 32 bytes. */
  readonly publicKey: Buffer;
}

export function hostKeys(secret: Buffer): HostKeys {
  const der = Buffer.concat([PKCS8_PREFIX, secret]);
  const privateKey = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  der.fill(0);
  return { privateKey, publicKey: rawPublic(createPublicKey(privateKey)) };
}

/** Wraps a key so that only the host with this public key can open it. */
export function wrapForHost(publicKey: Buffer, key: Buffer): Buffer {
  const once = generateKeyPairSync("x25519");
  const sender = rawPublic(once.publicKey);
  const shared = sharedKey(once.privateKey, publicKey, sender, publicKey);
  return Buffer.concat([sender, encrypt(shared, PURPOSE, key)]);
}

/** Throws StoreRefusal if it was wrapped for another host. */
export function unwrapForHost({ privateKey, publicKey }: HostKeys, wrapped: Buffer): Buffer {
  const sender = wrapped.subarray(0, KEY_BYTES);
  const shared = sharedKey(privateKey, sender, sender, publicKey);
  const key = decrypt(shared, PURPOSE, wrapped.subarray(KEY_BYTES));
  if (key) return key;
  throw new StoreRefusal(
    "The store's key was wrapped for another vault than this one: let this host join again (authd fleet join)",
  );
}

/** Returns a digest of a token, by which nobody without the key can try what the token may be. */
export function tokenDigest({ key }: FleetKey, token: string): string {
  return createHmac("sha256", derivedKey(key, "authd intent")).update(token).digest("base64url");
}

/** Seals the content of a record, which can be opened for this name only. */
export function sealPayload({ key, id }: FleetKey, name: string, content: object): Buffer {
  const plaintext = Buffer.from(JSON.stringify(content));
  try {
    return seal(key, id, name, plaintext);
  } finally {
    plaintext.fill(0);
  }
}

/** Returns the id of the key that seals a payload, as its header says, which is not authentic before it is opened. */
export function payloadKeyId(payload: Buffer): string | undefined {
  try {
    const { keyId } = Object(JSON.parse(payload.subarray(0, payload.indexOf("\n")).toString()));
    return typeof keyId === "string" ? keyId : undefined;
  } catch {
    return undefined;
  }
}

/** Throws AuthdError `credential_damaged`. */
export function openPayload({ key, id }: FleetKey, name: string, payload: Buffer): unknown {
  const plaintext = unseal(key, id, name, payload);
  try {
    return JSON.parse(plaintext.toString());
  } finally {
    plaintext.fill(0);
  }
}

const rawPublic = (key: KeyObject) =>
  Buffer.from(key.export({ type: "spki", format: "der" }).subarray(SPKI_PREFIX.length));

function sharedKey(own: KeyObject, other: Buffer, sender: Buffer, receiver: Buffer): Buffer {
  const der = Buffer.concat([SPKI_PREFIX, other]);
  const publicKey = createPublicKey({ key: der, format: "der", type: "spki" });
  const secret = diffieHellman({ privateKey: own, publicKey });
  const salt = Buffer.concat([sender, receiver]);
  return Buffer.from(hkdfSync("sha256", secret, salt, PURPOSE, KEY_BYTES));
}
