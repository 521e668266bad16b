import type { BoundValues } from "../config/binding.ts";
import { RESTRICTED_PREFIX } from "../config/policy.ts";
import type { OAuthProblem } from "../protocol.ts";
import type { Stamp, StoredToken } from "./token.ts";

/** What a caller may ask for beside the credential's own scope and audience. */
export interface TokenTarget {
  scope?: string;
  audience?: string;
}

/** What is sealed for one credential. */
export interface CredentialRecord {
  /** By field name. A rotated refresh token replaces the one that was entered. */
  secrets: Record<string, string>;
  /** Digest of the settings that decide where the secrets go (see config/binding.ts). */
  binding: string;
  /** Digest by key of the settings as they were then (see config/written.ts); absent: not kept yet. */
  written?: Readonly<Record<string, string>>;
  /** What `binding` is a digest of, so that `trust` can tell what was edited; absent: not kept yet. */
  boundValues?: BoundValues;
  tokens: StoredToken[];
  /** Digest of the settings that the tokens were obtained with (see acquire.ts). */
  obtainedWith?: string;
  rotation?: Rotation;
  refreshCount?: number;
  /** Wall clock, ms. */
  lastRefreshAt?: number;
  /** How long that took, ms. */
  lastRefreshMs?: number;
  refused?: Refused;
  /** Wall clock, ms: the moment of the last one-time code that was sent. */
  codeSentAt?: number;
  /** Refusals since the last token that were no OAuth errors; the digest as in `refused`. */
  refusals?: { count: number; writtenRequest: string };
  /** Scopes and audiences of callers that were refused since one was not. */
  refusedVariations?: number;
  /** A refresh was seen to revoke the access token of another scope. */
  singleAccessToken?: boolean;
  candidate?: Candidate;
}

/** What a person entered while the secrets of before worked: it takes their place once it has worked, too. */
export interface Candidate {
  /** Wall clock, ms. */
  enteredAt: number;
  /** Text of the credential file that belongs to it; absent: the file as it is. */
  file?: string;
  /** Digest of the settings that `file` replaces: others that were trusted since are not replaced unasked. */
  replaces: string;
  /** Sealed for the credential once this is in force. */
  record: CredentialRecord;
}

/** The issuer refuses these secrets: nothing is sent until a person acts, whatever restarts in between. */
export interface Refused {
  reason: "login_required" | "credential_rejected";
  message: string;
  oauth?: OAuthProblem;
  /** Wall clock, ms. */
  at: number;
  /** Digest of what the credential's own file said about the request; absent: not kept yet. */
  writtenRequest?: string;
}

/** Where a rotating refresh token stands. */
export interface Rotation {
  /** It is being spent, for this: if it is found at start, the answer was lost. */
  intent?: TokenTarget;
  /** The one before, for an issuer that lost its own last step. */
  previous?: string;
  /** SHA-256 of the one that a person entered, once it was spent; absent: before this was kept. */
  entered?: string;
  /** The current one has been accepted at least once. */
  worked: boolean;
  /** When the last request that spent it was sent; absent: before this was kept. */
  obtainedAt?: Stamp;
  /** Wall clock as of `obtainedAt`, ms: when the refresh token itself runs out. */
  expiresAt?: number;
  /** How long it lived from its issue (ms); only where a renewal puts its end off. */
  lifetime?: number;
}

/**
 * True if programs are kept from using it freely, as it was last trusted: whoever enters the first
 * secret, or accepts the first rules, takes nothing from anybody.
 */
export function isGuarded({ secrets, binding }: CredentialRecord): boolean {
  return Object.keys(secrets).length > 0 && binding.startsWith(RESTRICTED_PREFIX);
}
