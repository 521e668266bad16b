import type { TokenResponse } from "./acquire.ts";

/** A request that spends a rotating refresh token. */
export interface SpendingRequest {
  /** Digest of all that its answer depends on, but for secrets: equal for equal requests. */
  readonly of: string;
  /** Fulfilled when the successor is sealed, rejected when no answer can come any more. */
  readonly answer: Promise<TokenResponse>;
}

/**
 * The requests under way that spend a rotating refresh token, of all credentials. One that was removed
 * and added again, or read anew, meanwhile finds the request of before here, and takes over what its
 * answer brings instead of sending the same token a second time.
 */
export class SpendingRequests {
  readonly #underWay = new Map<string, SpendingRequest>();

  /** Returns the request under way with this token at this URL. */
  find(url: string, token: string): SpendingRequest | undefined {
    return this.#underWay.get(keyOf(url, token));
  }

  /** Makes `request` findable until its answer is there. */
  async track(url: string, token: string, request: SpendingRequest): Promise<TokenResponse> {
    const key = keyOf(url, token);
    this.#underWay.set(key, request);
    try {
      return await request.answer;
    } finally {
      if (this.#underWay.get(key) === request) this.#underWay.delete(key);
    }
  }
}

function keyOf(url: string, token: string): string {
  return JSON.stringify([url, token]);
}
