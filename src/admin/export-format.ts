import * as z from "../base/zod.ts";
import { assertCredentialName } from "../config/config.ts";
import type { CredentialRecord } from "../credential/record.ts";
import { AuthdError } from "../errors.ts";

/** One credential, as an export holds it. */
export interface ExportedCredential {
  name: string;
  /** The text of its credential file. */
  file?: string;
  /** What is sealed of it. */
  record?: CredentialRecord;
}

/**
 * What a newer authd adds is kept, but what this one relies on must be there. Null is what JSON makes
 * of a number that an issuer gave too large.
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
 * What is in an export, or AuthdError `invalid_params`. It is authentic, but perhaps of another
 * version's making, or of somebody's who means no good and told the passphrase along with it.
 */
export function parseExport(plaintext: Buffer): ExportedCredential[] {
  const { credentials } = parsed(plaintext);
  const names = new Set<string>();
  for (const { name } of credentials) {
    assertCredentialName(name);
    if (names.has(name)) throw unusable(`it has "${name}" twice`);
    names.add(name);
  }
  return credentials;
}

/** What is around the plaintext in an export takes less (see vault/export-file.ts). */
const AROUND = 2048;

/**
 * The plaintext of an export that an import takes, which is `most` bytes in all. If it is more, it is
 * without tokens: they can be had anew. Throws AuthdError if it is still more.
 */
export function serializeExport(credentials: readonly ExportedCredential[], most: number): Buffer {
  const whole = written(credentials);
  if (whole.length + AROUND <= most) return whole;
  whole.fill(0);
  const bare = written(
    credentials.map((each) =>
      each.record ? { ...each, record: { ...each.record, tokens: [] } } : each,
    ),
  );
  if (bare.length + AROUND <= most) return bare;
  bare.fill(0);
  throw new AuthdError(
    "response_too_large",
    `The export would have ${bare.length} bytes, and no import takes more than ${most}. Nothing was exported: remove credentials that are not needed first`,
  );
}

const written = (credentials: readonly ExportedCredential[]) =>
  Buffer.from(JSON.stringify({ credentials }));

/** As it was, without a word about what does not fit: that may be a secret. */
function parsed(plaintext: Buffer): { credentials: ExportedCredential[] } {
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
