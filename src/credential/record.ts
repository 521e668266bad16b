/** The sealed record of one credential: its schema, and the types that are derived from it. */

import * as z from "../base/zod.ts";
import type { BoundValues } from "../config/binding.ts";
import { RESTRICTED_PREFIX } from "../config/policy.ts";
import type { IssuerMetadata } from "../grants/login/index.ts";
import type { OAuthProblem } from "../protocol.ts";

const text = z.string();
const number = z.number();
const flag = z.boolean();
const texts = z.record(text, text);
const optionalText = z.exactOptional(text);
const optionalNumber = z.exactOptional(number);
const optionalFlag = z.exactOptional(flag);
const optionalTexts = z.exactOptional(texts);

/** The clocks at one moment, in ms, and the boot of the machine that `boot` counts from. */
const stamp = z.object({ wall: number, boot: number, bootId: text });

/** The scope and audience that a caller asked for; absent: the credential's own. */
const target = z.object({
  scope: optionalText,
  audience: optionalText,
});

/** A cached access token. */
const storedToken = z.object({
  variant: z.exactOptional(target),
  accessToken: text,
  tokenType: text,
  scope: optionalText,
  /** Milliseconds; null stands for Infinity, which JSON lacks. */
  lifetime: z.nullable(number),
  /** The issuer told no lifetime. */
  assumed: flag,
  /** Milliseconds after which the issuer wants a refresh. */
  refreshIn: optionalNumber,
  /** When the request was sent. */
  obtainedAt: stamp,
  /** Uniform in [0, 1): spreads the refreshes of tokens acquired together. */
  jitter: number,
  /** Values that the token's answer brought, or lacked and earlier ones had, by name. */
  kept: optionalTexts,
  /** When a program last asked for the token (wall clock, ms); 0: never. */
  askedAt: number,
  /** The moment of `askedAt` on the boot clock of `obtainedAt`. */
  askedAtBoot: optionalNumber,
});

/** The state of a rotating refresh token. */
const rotation = z.object({
  /** The token is being sent, for this target. Found at start: the response was lost. */
  intent: z.exactOptional(target),
  /** The token before the current one, for an issuer that lost its own last step. */
  previous: optionalText,
  /** SHA-256 of the token that a person entered, once it was sent; absent in records of older versions. */
  entered: optionalText,
  /** The issuer accepted the current token at least once. */
  worked: flag,
  /** When the last request with the token was sent; absent in records of older versions. */
  obtainedAt: z.exactOptional(stamp),
  /** When the refresh token itself ends (wall clock as of `obtainedAt`, ms). */
  expiresAt: optionalNumber,
  /** How long it lived from its issue (ms); present only where a refresh postpones its end. */
  lifetime: optionalNumber,
  /** When it ends however often it is used (wall clock as of `obtainedAt`, ms), where the issuer tells that apart. */
  hardExpiresAt: optionalNumber,
  /** How long it was to live when the end that nothing postpones was first told (ms). */
  hardLifetime: optionalNumber,
});

/** The issuer refused the secrets: nothing is sent until a person acts, whatever restarts in between. */
const refused = z.object({
  reason: z.enum(["login_required", "credential_rejected"]),
  message: text,
  oauth: z.exactOptional(
    z.custom<OAuthProblem>((value) => typeof Object(value).error === "string"),
  ),
  /** Wall clock, ms. */
  at: number,
  /** Digest of what the credential's own file said about the request; absent in records of older versions. */
  writtenRequest: optionalText,
});

/** A fault that trying again will hardly change (see troubles.ts). */
const seenTrouble = z.object({
  reason: z.enum(["wrong_address", "blocked", "test_failed"]),
  message: text,
  /** HTTP status of a request that failed. */
  status: optionalNumber,
  /** Digest of the settings that the fault is about: with others it does not count. */
  settings: text,
});

/** A lifetime that can't be read, or can't be (see lifetime-fault.ts). */
const lifetimeTrouble = z.object({
  message: text,
  /** The `key=value` that mends it. */
  set: optionalText,
  /** Digest of the settings that it is about: with others it does not count. */
  settings: text,
});

const metadata = z.custom<IssuerMetadata>((value) => typeof Object(value).issuer === "string");

/** What an API asked for in vain (see step-up.ts). */
const demand = z.object({
  origin: text,
  scope: optionalText,
  acrValues: optionalText,
  maxAge: optionalNumber,
  /** Digest of the settings that it is about: with others it does not count. */
  settings: text,
});

/** The metadata of an issuer that gives the addresses. `offered`: newer ones at another origin, not trusted yet. */
const discovered = z.object({ metadata, offered: z.exactOptional(metadata) });

/** The client that authd registered itself (RFC 7591); its secret, where it has one, is among the secrets. */
const registration = z.object({
  issuer: text,
  clientId: text,
  /** When the client's secret ends (wall clock, ms). */
  secretExpiresAt: optionalNumber,
  /** What manages the registration at the issuer (RFC 7592), and where. */
  accessToken: optionalText,
  managementUrl: optionalText,
});

/** A person's sign-in, and who that was, where the issuer told. */
const session = z.object({
  /** Wall clock, ms. */
  signedInAt: number,
  /** Scopes that it asked for beyond those of the file. */
  scope: optionalText,
  account: z.exactOptional(z.object({ iss: text, sub: text, name: optionalText })),
});

/** A file that the token is written to (see admin/token-files). */
const tokenFile = z.object({
  path: text,
  format: z.exactOptional(z.enum(["token", "header", "json"])),
  /** In octal digits. */
  mode: optionalText,
  uid: optionalNumber,
  gid: optionalNumber,
  scope: optionalText,
  audience: optionalText,
  /** Rules limited the credential when the file was asked for, and a person agreed. */
  agreed: optionalFlag,
});

const members = {
  /** Secrets by field name. A rotated refresh token replaces the one that was entered. */
  secrets: texts,
  /** Digest of the settings that decide where the secrets go (see config/binding.ts). */
  binding: text,
  /** Digest by key of the settings at that time (see config/written.ts); absent in records of older versions. */
  written: optionalTexts,
  /** The settings that `binding` is a digest of, so that `trust` can tell what was edited; absent in records of older versions. */
  boundValues: z.exactOptional(z.custom<BoundValues>(isTable)),
  tokens: z.array(storedToken),
  /** The newest values that were kept of answers, by name: for an answer that lacks some. */
  kept: optionalTexts,
  /** Digest of the settings that the tokens were obtained with (see token-requests.ts). */
  obtainedWith: optionalText,
  /** The private key, as JWK, that tokens are bound to (see dpop.ts). */
  dpopKey: optionalText,
  rotation: z.exactOptional(rotation),
  session: z.exactOptional(session),
  demand: z.exactOptional(demand),
  discovered: z.exactOptional(discovered),
  registration: z.exactOptional(registration),
  refreshCount: optionalNumber,
  /** Wall clock, ms. */
  lastRefreshAt: optionalNumber,
  lastRefreshMs: optionalNumber,
  refused: z.exactOptional(refused),
  /** When the last one-time code was sent (wall clock, ms). */
  codeSentAt: optionalNumber,
  /** Refusals since the last token that were no OAuth errors; `writtenRequest` as in `refused`. */
  refusals: z.exactOptional(z.object({ count: number, writtenRequest: text })),
  /** Callers' scopes and audiences refused in a row. */
  refusedVariations: optionalNumber,
  /** A refresh was seen to revoke the access token of another scope. */
  singleAccessToken: optionalFlag,
  /** Names in the last ID token; for people. */
  identity: optionalTexts,
  /** A program was given the token, or an API accepted it, of which no issuer tells whether it is good. */
  used: optionalFlag,
  /** The last fault of a token request, of a test of the API, and of what is told of a token's life. */
  troubles: z.exactOptional(
    z.object({
      request: z.exactOptional(seenTrouble),
      test: z.exactOptional(seenTrouble),
      lifetime: z.exactOptional(lifetimeTrouble),
    }),
  ),
};

/** How far the record is in a store that several hosts share (see shared/shared-records.ts). */
const shared = z.object({
  /** The version that it is based on; 0: the store has none. */
  version: number,
  /** The epoch of the lease under which it was committed, or is to be. */
  epoch: number,
  /** Grows when a person changes the credential, on whichever host. */
  generation: number,
  /** Its group there; absent: the default group. */
  group: optionalText,
  /** It may have something that the store has not got. */
  pending: optionalFlag,
  /** What a person has changed since that version is not the refresh token. */
  keepsToken: optionalFlag,
  /** A person entered its secrets on this host while config.toml named no store: they are this host's own. */
  alone: optionalFlag,
});

/** Secrets that a person entered while the earlier ones worked: they replace them once they have worked, too. */
const candidate = z.object({
  /** Wall clock, ms. */
  enteredAt: number,
  /** Text of the credential file that belongs to it; absent: the file stays as it is. */
  file: optionalText,
  /** Binding of the settings that `file` replaces: settings trusted later are not replaced unasked. */
  replaces: text,
  /** Sealed for the credential once the candidate is in force. */
  record: z.object(members),
});

/** Accepts members that it does not know: a newer version may have written them. */
export const recordSchema = z.object({
  ...members,
  candidate: z.exactOptional(candidate),
  tokenFiles: z.exactOptional(z.array(tokenFile)),
  shared: z.exactOptional(shared),
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
