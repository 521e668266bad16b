import * as z from "../base/zod.ts";
import { assertCredentialName } from "../config/config.ts";
import { type CredentialRecord, dropNulls, recordSchema } from "../credential/record.ts";
import { AuthdError } from "../errors.ts";

/** One credential in an export. */
export interface ExportedCredential {
  name: string;
  /** Text of the credential file. */
  file?: string;
  /** Content of the sealed record. */
  record?: CredentialRecord;
}

/** Accepts members that it does not know: a newer authd may have written them. */
const content = z.object({
  credentials: z.array(
    z.object({ name: z.string(), file: z.optional(z.string()), record: z.optional(recordSchema) }),
  ),
});

/**
 * Parses the content of an export. Throws AuthdError `invalid_params`: it is authentic, but may be of
 * another version, or of an attacker who gave the passphrase along with it.
 */
export function parseExport(plaintext: Buffer): ExportedCredential[] {
  const { credentials } = parseContent(plaintext);
  // They name places of the machine that it comes from.
  for (const { record } of credentials) delete record?.tokenFiles;
  const names = new Set<string>();
  for (const { name } of credentials) {
    assertCredentialName(name);
    if (names.has(name)) throw unusable(`it has "${name}" twice`);
    names.add(name);
  }
  return credentials;
}

/** Upper bound of what an export file has beside the plaintext (see vault/export-file.ts). */
const MAX_OVERHEAD_BYTES = 2048;

/**
 * Serializes an export of at most `maxBytes`, which is what an import takes. Leaves tokens out if it is
 * larger, since they can be obtained again. Throws AuthdError if it is still larger.
 */
export function serializeExport(
  credentials: readonly ExportedCredential[],
  maxBytes: number,
): Buffer {
  const whole = toBytes(credentials);
  if (whole.length + MAX_OVERHEAD_BYTES <= maxBytes) return whole;
  whole.fill(0);
  const bare = toBytes(
    credentials.map((each) =>
      each.record ? { ...each, record: { ...each.record, tokens: [] } } : each,
    ),
  );
  if (bare.length + MAX_OVERHEAD_BYTES <= maxBytes) return bare;
  bare.fill(0);
  throw new AuthdError(
    "response_too_large",
    `The export would have ${bare.length} bytes, and no import takes more than ${maxBytes}. Nothing was exported: remove credentials that are not needed first`,
  );
}

const toBytes = (credentials: readonly ExportedCredential[]) =>
  Buffer.from(JSON.stringify({ credentials }));

/** Parses without changing anything. The error does not quote the content, which may be a secret. */
function parseContent(plaintext: Buffer): { credentials: ExportedCredential[] } {
  let value: unknown;
  try {
    value = JSON.parse(plaintext.toString());
  } catch {
    throw unusable("what is in it is not JSON");
  }
  const { credentials } = Object(value);
  if (Array.isArray(credentials)) for (const each of credentials) dropNulls(Object(each).record);
  const { success, error } = content.safeParse(value);
  if (success) return value as { credentials: ExportedCredential[] };
  throw unusable(
    `${(error.issues[0]?.path ?? []).slice(0, 4).join("/")} is not what authd puts there`,
  );
}

function unusable(problem: string): AuthdError {
  return new AuthdError(
    "invalid_params",
    `The export can't be used: ${problem}. Nothing was changed`,
  );
}
