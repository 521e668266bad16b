import { AuthdError } from "../errors.ts";
import type { ScryptParameters } from "./keys/key-source.ts";
import { acceptable, derive, MOST_N, newParameters } from "./scrypt.ts";
import { ALGORITHM, decrypt, encrypt } from "./sealed-file.ts";

/**
 * Seals and opens an export. Its bytes:
 *
 *     {"authd":"export","format":1,"alg":"A256GCM","kdf":"scrypt","N":131072,"r":8,"p":1,
 *      "salt":"…","created":"2026-01-31T12:00:00.000Z","credentials":12}\n      (on one line)
 *     check (28 bytes): nothing, sealed; opens with the right passphrase only
 *     nonce (12 bytes) ‖ ciphertext ‖ authentication tag (16 bytes)
 *
 * The key is scrypt over the passphrase in NFC. The first line is authenticated byte for byte, with
 * the check and with the content. What is inside is UTF-8 JSON.
 */
export interface ExportHeader extends ScryptParameters {
  readonly authd: "export";
  readonly format: number;
  readonly alg: string;
  readonly kdf: string;
  /** ISO 8601. */
  readonly created: string;
  /** Number of credentials. */
  readonly credentials: number;
}

const FORMAT = 1;
const CHECK_BYTES = 28;
const MAX_HEADER_BYTES = 1024;
const checkOf = (header: Buffer) => Buffer.concat([Buffer.from("authd export check\n"), header]);
const contentOf = (header: Buffer) => Buffer.concat([Buffer.from("authd export\n"), header]);

/** Returns the whole file. */
export async function sealExport(
  passphrase: string,
  about: Pick<ExportHeader, "created" | "credentials">,
  plaintext: Buffer,
): Promise<Buffer> {
  const { N, r, p, salt } = newParameters();
  const { created, credentials } = about;
  const kdf = { kdf: "scrypt", N, r, p, salt };
  const fields: ExportHeader = {
    authd: "export",
    format: FORMAT,
    alg: ALGORITHM,
    ...kdf,
    created,
    credentials,
  };
  const header = Buffer.from(JSON.stringify(fields));
  const key = await derive(passphrase, fields);
  const check = encrypt(key, checkOf(header), Buffer.alloc(0));
  const content = encrypt(key, contentOf(header), plaintext);
  key.fill(0);
  return Buffer.concat([header, Buffer.from("\n"), check, content]);
}

/** Opens the whole file. Throws AuthdError `invalid_params` that says why it can't be opened. */
export async function openExport(
  passphrase: string,
  file: Buffer,
): Promise<{ header: ExportHeader; plaintext: Buffer }> {
  const end = file.subarray(0, MAX_HEADER_BYTES).indexOf("\n");
  const line = file.subarray(0, Math.max(end, 0));
  const header = parseHeader(line);
  const body = file.subarray(end + 1);
  if (body.length < 2 * CHECK_BYTES) throw exportError("it was cut short");
  const key = await derive(passphrase, header);
  try {
    if (!decrypt(key, checkOf(line), body.subarray(0, CHECK_BYTES))) {
      throw exportError("the passphrase is wrong, or the file's beginning was altered");
    }
    const plaintext = decrypt(key, contentOf(line), body.subarray(CHECK_BYTES));
    if (!plaintext)
      throw exportError("the passphrase is right, but the file was cut short or altered");
    return { header, plaintext };
  } finally {
    key.fill(0);
  }
}

/** Reads the first line, which is not authenticated yet. */
function parseHeader(line: Buffer): ExportHeader {
  let fields: Partial<ExportHeader>;
  try {
    fields = Object(JSON.parse(line.toString()));
  } catch {
    throw exportError("it is no file that authd vault export made");
  }
  const { authd, format, alg, kdf } = fields;
  if (authd !== "export" || typeof format !== "number") {
    throw exportError("it is no file that authd vault export made");
  }
  if (format > FORMAT) throw exportError("it was made by a newer authd, so update authd");
  const { N = 0, r = 0, p = 0, salt = "" } = fields;
  const isKnown = format === FORMAT && alg === ALGORITHM && kdf === "scrypt";
  if (!isKnown || !acceptable({ N, r, p, salt }, MOST_N.export)) {
    throw exportError(
      "its first line names a format, or a cost of scrypt, that authd does not take",
    );
  }
  return fields as ExportHeader;
}

function exportError(problem: string): AuthdError {
  return new AuthdError(
    "invalid_params",
    `The export can't be opened: ${problem}. Nothing was changed`,
  );
}
