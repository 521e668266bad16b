import type { StoredToken } from "./token.ts";

/** What a caller may ask for beside the credential's own scope and audience. */
export interface Variation {
  scope?: string;
  audience?: string;
}

/** What is sealed for one credential. */
export interface CredentialRecord {
  /** By field name. A rotated refresh token replaces the one that was entered. */
  secrets: Record<string, string>;
  /** Digest of the settings that decide where the secrets go (see binding.ts). */
  binding: string;
  tokens: StoredToken[];
  rotation?: Rotation;
  refreshCount?: number;
  /** Wall clock, ms. */
  lastRefreshAt?: number;
}

/** Where a rotating refresh token stands. */
export interface Rotation {
  /** It is being spent, for this: if it is found at start, the answer was lost. */
  intent?: Variation;
  /** The one before, for an issuer that lost its own last step. */
  previous?: string;
  /** The current one has been accepted at least once. */
  worked: boolean;
  /** Wall clock, ms: when the refresh token itself runs out, and how long it lived from its issue. */
  expiresAt?: number;
  lifetime?: number;
}
