/** The sealed record of one credential: its schema, and the types that are derived from it. */

import * as z from "../base/zod.ts";
import type { BoundValues } from "../config/binding.ts";
import { RESTRICTED_PREFIX } from "../config/policy.ts";
import type { IssuerMetadata } from "../grants/login/index.ts";
import type { OAuthProblem } from "../protocol.ts";

/** The clocks at one moment, in ms, and the boot of the machine that `boot` counts from. */
const stamp = z.object({ wall: z.number(), boot: z.number(), bootId: z.string() });

/** The scope and audience that a caller asked for; absent: the credential's own. */
const target = z.object({
  scope: z.string().exactOptional(),
  audience: z.string().exactOptional(),
});

/** A cached access token. */
const storedToken = z.object({
  variant: target.exactOptional(),
  accessToken: z.string(),
  tokenType: z.string(),
  scope: z.string().exactOptional(),
  /** Milliseconds; null stands for Infinity, which JSON lacks. */
  lifetime: z.number().nullable(),
  /** The issuer told no lifetime. */
  assumed: z.boolean(),
  /** Milliseconds after which the issuer wants a refresh. */
  refreshIn: z.number().exactOptional(),
  /** When the request was sent. */
  obtainedAt: stamp,
  /** Uniform in [0, 1): spreads the refreshes of tokens acquired together. */
  jitter: z.number(),
  /** Values that the token's answer brought, or lacked and earlier ones had, by name. */
  kept: z.record(z.string(), z.string()).exactOptional(),
  /** When a program last asked for the token (wall clock, ms); 0: never. */
  askedAt: z.number(),
  /** The moment of `askedAt` on the boot clock of `obtainedAt`. */
  askedAtBoot: z.number().exactOptional(),
});

/** The state of a rotating refresh token. */
const rotation = z.object({
  /** The token is being sent, for this target. Found at start: the response was lost. */
  intent: target.exactOptional(),
  /** The token before the current one, for an issuer that lost its own last step. */
  previous: z.string().exactOptional(),
  /** SHA-256 of the token that a person entered, once it was sent; absent in records of older versions. */
  entered: z.string().exactOptional(),
  /** The issuer accepted the current token at least once. */
  worked: z.boolean(),
  /** When the last request with the token was sent; absent in records of older versions. */
  obtainedAt: stamp.exactOptional(),
  /** When the refresh token itself ends (wall clock as of `obtainedAt`, ms). */
  expiresAt: z.number().exactOptional(),
  /** How long it lived from its issue (ms); present only where a refresh postpones its end. */
  lifetime: z.number().exactOptional(),
  /** When it ends however often it is used (wall clock as of `obtainedAt`, ms), where the issuer tells that apart. */
  hardExpiresAt: z.number().exactOptional(),
  /** How long it was to live when the end that nothing postpones was first told (ms). */
  hardLifetime: z.number().exactOptional(),
});

/** The issuer refused the secrets: nothing is sent until a person acts, whatever restarts in between. */
const refused = z.object({
  reason: z.enum(["login_required", "credential_rejected"]),
  message: z.string(),
  oauth: z.custom<OAuthProblem>((value) => typeof Object(value).error === "string").exactOptional(),
  /** Wall clock, ms. */
  at: z.number(),
  /** Digest of what the credential's own file said about the request; absent in records of older versions. */
  writtenRequest: z.string().exactOptional(),
});

/** A fault that trying again will hardly change (see troubles.ts). */
const seenTrouble = z.object({
  reason: z.enum(["wrong_address", "blocked", "test_failed"]),
  message: z.string(),
  /** HTTP status of a request that failed. */
  status: z.number().exactOptional(),
  /** Digest of the settings that the fault is about: with others it does not count. */
  settings: z.string(),
});

/** A lifetime that can't be read, or can't be (see lifetime-fault.ts). */
const lifetimeTrouble = z.object({
  message: z.string(),
  /** The `key=value` that mends it. */
  set: z.string().exactOptional(),
  /** Digest of the settings that it is about: with others it does not count. */
  settings: z.string(),
});

const metadata = z.custom<IssuerMetadata>((value) => typeof Object(value).issuer === "string");

/** What an API asked for in vain (see step-up.ts). */
const demand = z.object({
  origin: z.string(),
  scope: z.string().exactOptional(),
  acrValues: z.string().exactOptional(),
  maxAge: z.number().exactOptional(),
  /** Digest of the settings that it is about: with others it does not count. */
  settings: z.string(),
});

/** The metadata of an issuer that gives the addresses. `offered`: newer ones at another origin, not trusted yet. */
const discovered = z.object({ metadata, offered: metadata.exactOptional() });

/** The client that authd registered itself (RFC 7591); its secret, where it has one, is among the secrets. */
const registration = z.object({
  issuer: z.string(),
  clientId: z.string(),
  /** When the client's secret ends (wall clock, ms). */
  secretExpiresAt: z.number().exactOptional(),
  /** What manages the registration at the issuer (RFC 7592), and where. */
  accessToken: z.string().exactOptional(),
  managementUrl: z.string().exactOptional(),
});

/** A person's sign-in, and who that was, where the issuer told. */
const session = z.object({
  /** Wall clock, ms. */
  signedInAt: z.number(),
  /** Scopes that it asked for beyond those of the file. */
  scope: z.string().exactOptional(),
  account: z
    .object({ iss: z.string(), sub: z.string(), name: z.string().exactOptional() })
    .exactOptional(),
});

/** A file that the token is written to (see admin/token-files). */
const tokenFile = z.object({
  path: z.string(),
  format: z.enum(["token", "header", "json"]).exactOptional(),
  /** In octal digits. */
  mode: z.string().exactOptional(),
  uid: z.number().exactOptional(),
  gid: z.number().exactOptional(),
  scope: z.string().exactOptional(),
  audience: z.string().exactOptional(),
  /** Rules limited the credential when the file was asked for, and a person agreed. */
  agreed: z.boolean().exactOptional(),
});

const members = {
  /** Secrets by field name. A rotated refresh token replaces the one that was entered. */
  secrets: z.record(z.string(), z.string()),
  /** Digest of the settings that decide where the secrets go (see config/binding.ts). */
  binding: z.string(),
  /** Digest by key of the settings at that time (see config/written.ts); absent in records of older versions. */
  written: z.record(z.string(), z.string()).exactOptional(),
  /** The settings that `binding` is a digest of, so that `trust` can tell what was edited; absent in records of older versions. */
  boundValues: z.custom<BoundValues>(isTable).exactOptional(),
  tokens: z.array(storedToken),
  /** The newest values that were kept of answers, by name: for an answer that lacks some. */
  kept: z.record(z.string(), z.string()).exactOptional(),
  /** Digest of the settings that the tokens were obtained with (see token-requests.ts). */
  obtainedWith: z.string().exactOptional(),
  /** The private key, as JWK, that tokens are bound to (see dpop.ts). */
  dpopKey: z.string().exactOptional(),
  rotation: rotation.exactOptional(),
  session: session.exactOptional(),
  demand: demand.exactOptional(),
  discovered: discovered.exactOptional(),
  registration: registration.exactOptional(),
  refreshCount: z.number().exactOptional(),
  /** Wall clock, ms. */
  lastRefreshAt: z.number().exactOptional(),
  lastRefreshMs: z.number().exactOptional(),
  refused: refused.exactOptional(),
  /** When the last one-time code was sent (wall clock, ms). */
  codeSentAt: z.number().exactOptional(),
  /** Refusals since the last token that were no OAuth errors; `writtenRequest` as in `refused`. */
  refusals: z.object({ count: z.number(), writtenRequest: z.string() }).exactOptional(),
  /** Callers' scopes and audiences refused in a row. */
  refusedVariations: z.number().exactOptional(),
  /** A refresh was seen to revoke the access token of another scope. */
  singleAccessToken: z.boolean().exactOptional(),
  /** Names in the last ID token; for people. */
  identity: z.record(z.string(), z.string()).exactOptional(),
  /** A program was given the token, or an API accepted it, of which no issuer tells whether it is good. */
  used: z.boolean().exactOptional(),
  /** The last fault of a token request, of a test of the API, and of what is told of a token's life. */
  troubles: z
    .object({
      request: seenTrouble.exactOptional(),
      test: seenTrouble.exactOptional(),
      lifetime: lifetimeTrouble.exactOptional(),
    })
    .exactOptional(),
};

/** How far the record is in a store that several hosts share (see shared/shared-records.ts). */
const shared = z.object({
  /** The version that it is based on; 0: the store has none. */
  version: z.number(),
  /** The epoch of the lease under which it was committed, or is to be. */
  epoch: z.number(),
  /** Grows when a person changes the credential, on whichever host. */
  generation: z.number(),
  /** Its group there; absent: the default group. */
  group: z.string().exactOptional(),
  /** It may have something that the store has not got. */
  pending: z.boolean().exactOptional(),
  /** What a person has changed since that version is not the refresh token. */
  keepsToken: z.boolean().exactOptional(),
});

/** Secrets that a person entered while the earlier ones worked: they replace them once they have worked, too. */
const candidate = z.object({
  /** Wall clock, ms. */
  enteredAt: z.number(),
  /** Text of the credential file that belongs to it; absent: the file stays as it is. */
  file: z.string().exactOptional(),
  /** Binding of the settings that `file` replaces: settings trusted later are not replaced unasked. */
  replaces: z.string(),
  /** Sealed for the credential once the candidate is in force. */
  record: z.object(members),
});

/** Accepts members that it does not know: a newer version may have written them. */
export const recordSchema = z.object({
  ...members,
  candidate: candidate.exactOptional(),
  tokenFiles: z.array(tokenFile).exactOptional(),
  shared: shared.exactOptional(),
});

// Interfaces, so that error messages of the compiler name them.
export interface Stamp extends z.infer<typeof stamp> {}
export interface TokenTarget extends z.infer<typeof target> {}
export interface StoredToken extends z.infer<typeof storedToken> {}
export interface Demand extends z.infer<typeof demand> {}
interface Registration extends z.infer<typeof registration> {}
export interface Rotation extends z.infer<typeof rotation> {}
export interface SeenTrouble extends z.infer<typeof seenTrouble> {}
export interface Refused extends z.infer<typeof refused> {}
export interface CredentialRecord extends z.infer<typeof recordSchema> {}
export interface TokenFile extends z.infer<typeof tokenFile> {}
export interface Candidate extends z.infer<typeof candidate> {}

/** What is sealed about a client when it was registered. */
export interface Registered {
  registration: Registration;
  /** The issuer's metadata at that time: other origins later need trust. */
  discovered?: NonNullable<CredentialRecord["discovered"]>;
}

function isTable(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Deletes nulls, which JSON writes for a number that is too large: they count as not told. */
export function dropNulls(record: unknown): void {
  const { rotation, tokens, candidate } = Object(record);
  for (const object of [record, rotation, ...(Array.isArray(tokens) ? tokens : [])]) {
    if (typeof object !== "object" || object === null) continue;
    const isToken = object !== record && object !== rotation;
    for (const name of Object.keys(object)) {
      // The null of a static token's lifetime stands for Infinity.
      if (object[name] === null && !(isToken && name === "lifetime")) delete object[name];
    }
  }
  if (candidate) dropNulls(Object(candidate).record);
}

/** Returns where a record is malformed, as a path; undefined if it is well-formed. Drops nulls and malformed tokens. */
export function malformedPart(record: CredentialRecord): string | undefined {
  if (recordSchema.safeParse(record).success) return undefined;
  dropNulls(record);
  if (Array.isArray(record.tokens)) {
    record.tokens = record.tokens.filter((token) => storedToken.safeParse(token).success);
  }
  const { error } = recordSchema.safeParse(record);
  return error && (error.issues[0]?.path ?? []).slice(0, 2).join(".");
}

/**
 * True if there is something that could go elsewhere: a secret, a token of a person's sign-in, a client, or a subject
 * token that is read for each request.
 */
export function hasSecrets({
  secrets,
  session,
  registration,
  boundValues,
}: Pick<CredentialRecord, "secrets" | "session" | "registration" | "boundValues">): boolean {
  const isKept = session !== undefined || registration !== undefined;
  return isKept || boundValues?.subject !== undefined || Object.keys(secrets).length > 0;
}

/** True if the settings decide where something of this record, or a subject token, goes. */
export function isBinding(
  { boundValues }: Pick<CredentialRecord, "boundValues">,
  record: CredentialRecord,
): boolean {
  return boundValues?.subject !== undefined || hasSecrets(record);
}

/** The binding of a record for settings that a person has to agree to first. */
export const UNBOUND = "";

/** True if rules limit who may use the credential. Without secrets there is nothing to protect yet. */
export function isGuarded(record: CredentialRecord): boolean {
  return hasSecrets(record) && record.binding.startsWith(RESTRICTED_PREFIX);
}
