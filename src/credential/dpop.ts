/** The key that a credential's tokens are bound to, where its file says `dpop = true`. */
import type { CredentialSettings } from "../config/settings.ts";
import {
  createDpopKey,
  type Dpop,
  type DpopNonces,
  dpopProof,
  learnNonce,
} from "../grants/index.ts";
import type { CredentialDeps } from "./credential-deps.ts";
import type { CredentialRecord } from "./record.ts";

export function usesDpop({ own }: Pick<CredentialSettings, "own">): boolean {
  return (own as { dpop?: boolean }).dpop === true;
}

/** Returns the credential's key; one that is made here is sealed with the first token that is bound to it. */
export function dpopFor(
  settings: CredentialSettings,
  record: CredentialRecord,
  nonces: DpopNonces,
): Dpop | undefined {
  if (!usesDpop(settings)) return undefined;
  record.dpopKey ??= createDpopKey();
  return { key: record.dpopKey, nonces };
}

/** Signs requests to APIs, and keeps the nonces that they answer with. */
export interface RequestProver {
  /** Returns the value of the `DPoP` header. */
  prove(method: string, url: string, accessToken: string): Promise<string>;
  /** Returns true if the API sent another nonce than before. */
  learn(url: string, headers: Readonly<Record<string, string | string[] | undefined>>): boolean;
}

/** Undefined for a credential whose tokens are bound to nothing. */
export function requestProver(
  settings: CredentialSettings,
  record: CredentialRecord | undefined,
  { dpopNonces, time }: Pick<CredentialDeps, "dpopNonces" | "time">,
): RequestProver | undefined {
  const dpop = record && dpopFor(settings, record, dpopNonces);
  if (!dpop) return undefined;
  return {
    prove: (method, url, accessToken) =>
      dpopProof(dpop, { method, url, accessToken, at: time.now().wall }),
    learn: (url, headers) => learnNonce(dpopNonces, url, headers),
  };
}
