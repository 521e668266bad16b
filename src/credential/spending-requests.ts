import type { TokenResponse } from "./token.ts";

/** A request with a rotating refresh token. */
export interface SpendingRequest {
  /** Digest of everything its response depends on but for secrets: equal for equal requests. */
  readonly digest: string;
  /** Fulfilled when the new refresh token is sealed, rejected when no response can come any more. */
  readonly response: Promise<TokenResponse>;
}

/**
 * Holds the pending requests with rotating refresh tokens, of all credentials. A credential that was removed
 * and added again, or read anew, finds its earlier request here, and takes over the response instead of
 * sending the token a second time.
 */
export class SpendingRequests {
  readonly #pending = new Map<string, SpendingRequest>();

  /** Returns the pending request with this token at this URL. */
  find(url: string, token: string): SpendingRequest | undefined {
    return this.#pending.get(requestKey(url, token));
  }

  /** Makes `request` findable until its response has come. */
  async track(url: string, token: string, request: SpendingRequest): Promise<TokenResponse> {
    const key = requestKey(url, token);
    this.#pending.set(key, request);
    try {
      return await request.response;
    } finally {
      if (this.#pending.get(key) === request) this.#pending.delete(key);
    }
  }
}

function requestKey(url: string, token: string): string {
  return JSON.stringify([url, token]);
}
