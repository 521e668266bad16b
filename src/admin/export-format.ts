import * as z from "../base/zod.ts";
import { assertCredentialName } from "../config/config.ts";
import type { CredentialRecord } from "../credential/record.ts";
import { AuthdError } from "../errors.ts";

/** One credential in an export. */
export interface ExportedCredential {
  name: string;
  /** Text of the credential file. */
  file?: string;
  /** Content of the sealed record. */
  record?: CredentialRecord;
}

/**
 * Schema of an export. Members that a newer authd adds are kept; those that this one relies on must be
 * there. A number that is too large for JSON comes as null.
 */
const moment = z.object({ wall: z.number(), boot: z.number(), bootId: z.string() });
const variation = z.object({ scope: z.string().optional(), audience: z.string().optional() });
const token = z.object({
  variant: variation.optional(),
  accessToken: z.string(),
  tokenType: z.string(),
  scope: z.string().optional(),
  lifetime: z.number().nullable(),
  assumed: z.boolean(),
  refreshIn: z.number().nullish(),
  obtainedAt: moment,
  jitter: z.number(),
  askedAt: z.number(),
  askedAtBoot: z.number().nullish(),
});
const rotation = z.object({
  intent: variation.optional(),
  previous: z.string().optional(),
  entered: z.string().optional(),
  worked: z.boolean(),
  obtainedAt: moment.optional(),
  expiresAt: z.number().nullish(),
  lifetime: z.number().nullish(),
});
const refused = z.object({
  reason: z.enum(["login_required", "credential_rejected"]),
  message: z.string(),
  oauth: z.object({ error: z.string() }).optional(),
  at: z.number(),
  writtenRequest: z.string().optional(),
});
const trouble = z.object({
  reason: z.enum(["wrong_address", "blocked", "test_failed"]),
  message: z.string(),
  status: z.number().nullish(),
  settings: z.string(),
});
const recordMembers = {
  secrets: z.record(z.string(), z.string()),
  binding: z.string(),
  written: z.record(z.string(), z.string()).optional(),
  boundValues: z.record(z.string(), z.json()).optional(),
  tokens: z.array(token),
  obtainedWith: z.string().optional(),
  rotation: rotation.optional(),
  refreshCount: z.number().nullish(),
  lastRefreshAt: z.number().nullish(),
  lastRefreshMs: z.number().nullish(),
  refused: refused.optional(),
  codeSentAt: z.number().nullish(),
  refusals: z.object({ count: z.number(), writtenRequest: z.string() }).optional(),
  refusedVariations: z.number().nullish(),
  singleAccessToken: z.boolean().optional(),
  troubles: z.object({ request: trouble.optional(), test: trouble.optional() }).optional(),
};
const candidate = z.object({
  enteredAt: z.number(),
  file: z.string().optional(),
  replaces: z.string(),
  record: z.object(recordMembers),
});
const record = z.object({ ...recordMembers, candidate: candidate.optional() });
const content = z.object({
  credentials: z.array(
    z.object({ name: z.string(), file: z.string().optional(), record: record.optional() }),
  ),
});

/**
 * Parses the content of an export. Throws AuthdError `invalid_params`: it is authentic, but may be of
 * another version, or of an attacker who gave the passphrase along with it.
 */
export function parseExport(plaintext: Buffer): ExportedCredential[] {
  const { credentials } = parseContent(plaintext);
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
