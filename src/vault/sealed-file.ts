import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { AuthdError } from "../errors.ts";
import { recordKey } from "./derived-key.ts";

/**
 * Seals and opens the file of one credential. Its bytes:
 *
 *     {"authd":"sealed","format":1,"alg":"A256GCM","keyId":"5f1c…","generation":3}\n
 *     nonce (12 bytes) ‖ ciphertext ‖ authentication tag (16 bytes)
 *
 * The first line is for people and for later versions; the rest is binary, because a text encoding
 * would let bytes change without anybody noticing. The credential's name and the first line, byte
 * for byte, are authenticated: a file can't be given to another name, nor its header edited. The
 * generation (see manifest.ts) is absent where it is 0, as in files from before there were any.
 */
export const FORMAT = 1;
export const ALGORITHM = "A256GCM";
/** A256GCM with a key made from the vault's for this record alone, which seals it while the vault is locked. */
export const RECORD_ALGORITHM = "A256GCM-RECORD";
type Algorithm = typeof ALGORITHM | typeof RECORD_ALGORITHM;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** A longer first line is not a header that authd wrote. */
const MAX_HEADER_BYTES = 1024;

/** Larger than any record: 32 tokens of 1 MiB, and the secrets of a request of 8 MiB. */
export const MAX_FILE_BYTES = 64 * 1024 ** 2;

/** Encrypts with AES-256-GCM under a fresh random nonce. Returns nonce ‖ ciphertext ‖ tag. */
export function encrypt(key: Buffer, associated: string | Buffer, plaintext: Buffer): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(Buffer.from(associated));
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/** Decrypts what `encrypt` returned; undefined unless every byte is authentic. */
export function decrypt(
  key: Buffer,
  associated: string | Buffer,
  sealed: Buffer,
): Buffer | undefined {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) return undefined;
  const nonce = sealed.subarray(0, NONCE_BYTES);
  // Without authTagLength Node would accept a tag cut down to 4 bytes.
  const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(associated));
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  const plaintext = decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES));
  try {
    decipher.final();
    return plaintext;
  } catch {
    return undefined;
  }
}

/** Returns the authenticated bytes. A name holds no line feed, so no two pairs of name and header give the same. */
const associatedData = (name: string, header: Buffer) =>
  Buffer.concat([Buffer.from(`authd sealed file\n${name}\n`), header]);

/** Returns the whole file. `keyId` names the vault's key, also with RECORD_ALGORITHM, where `key` is the record's. */
export function seal(
  key: Buffer,
  keyId: string,
  name: string,
  plaintext: Buffer,
  generation = 0,
  alg: Algorithm = ALGORITHM,
): Buffer {
  const fields = { authd: "sealed", format: FORMAT, alg, keyId };
  const header = Buffer.from(JSON.stringify(generation > 0 ? { ...fields, generation } : fields));
  const body = encrypt(key, associatedData(name, header), plaintext);
  return Buffer.concat([header, Buffer.from("\n"), body]);
}

/** Opens the whole file with the vault's key. Throws AuthdError `credential_damaged` that says why not. */
export function unseal(key: Buffer, keyId: string, name: string, file: Buffer): Buffer {
  const end = file.subarray(0, MAX_HEADER_BYTES).indexOf("\n");
  const header = file.subarray(0, Math.max(end, 0));
  const { problem, alg } = inspectHeader(header, keyId);
  if (problem) throw damagedError(name, problem);
  const opening = alg === RECORD_ALGORITHM ? recordKey(key, name) : key;
  const plaintext = decrypt(opening, associatedData(name, header), file.subarray(end + 1));
  if (!plaintext) {
    throw damagedError(
      name,
      "its content was cut short or altered, or belongs to another credential",
    );
  }
  return plaintext;
}

/** Returns the generation of a file that `unseal` has opened: before that its header is not authentic. */
export function generationOf(file: Buffer): number {
  const { generation = 0 } = JSON.parse(file.subarray(0, file.indexOf("\n")).toString());
  return Number.isSafeInteger(generation) ? generation : 0;
}

/** True if a newer authd made the file: only that one can tell whether it is sound. */
export function isNewer(file: Buffer): boolean {
  const end = file.subarray(0, MAX_HEADER_BYTES).indexOf("\n");
  try {
    const { authd, format } = Object(JSON.parse(file.subarray(0, Math.max(end, 0)).toString()));
    return authd === "sealed" && typeof format === "number" && format > FORMAT;
  } catch {
    return false;
  }
}

function inspectHeader(header: Buffer, keyId: string): { problem?: string; alg?: string } {
  if (header.length === 0) return { problem: "it has no header" };
  let fields: Record<string, unknown>;
  try {
    fields = Object(JSON.parse(header.toString()));
  } catch {
    return { problem: "its header can't be read" };
  }
  const { authd, format, alg } = fields;
  if (authd !== "sealed" || typeof format !== "number") {
    return { problem: "its header can't be read" };
  }
  if (format > FORMAT) return { problem: "it was made by a newer authd, so update authd" };
  if (format !== FORMAT || (alg !== ALGORITHM && alg !== RECORD_ALGORITHM)) {
    return { problem: "its header names no format that authd knows" };
  }
  if (fields.keyId !== keyId) return { problem: "it was sealed with another vault's key" };
  return { alg };
}

/** Returns the error for a sealed file. `problem` goes on from "…can't be opened: ". */
export function damagedError(name: string, problem: string, cause?: unknown): AuthdError {
  return new AuthdError(
    "credential_damaged",
    `The sealed file of "${name}" can't be opened: ${problem}. It was left as it is: ` +
      `put a good copy back, or enter the secrets again (authd add ${name} --replace …)`,
    { credential: name, ...(cause === undefined ? {} : { cause }) },
  );
}
