/** What is known of one credential under torture: from the issuer's side, and from the disk's. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AuthdError, type Client, type GetTokenResult } from "../../src/client.ts";
import type { Family, RotatingIssuer } from "./rotating-issuer.ts";
import { sealedRecord } from "./sealed-record.ts";

/** How long (ms) a credential may need to work again: back-off on a busy machine is no loss. */
const PATIENCE = 60_000;

/**
 * Where a kill met it. `window`: the issuer has spent the token that is on disk, and the new one is
 * not there; the intent, which is, says so. No client can close this.
 */
export type Finding = "nothing open" | "intent open, nothing spent" | "window";

export class Subject {
  readonly name: string;
  family: Family;
  /** The session is gone, through the window, at an issuer without a grace. */
  lost = false;
  /** How often it was. */
  losses = 0;
  readonly #issuer: RotatingIssuer;
  readonly #vaultDir: string;
  readonly #checked = new Set<string>();
  #signIns = 0;

  constructor(name: string, issuer: RotatingIssuer, stateDir: string) {
    this.name = name;
    this.#issuer = issuer;
    this.#vaultDir = join(stateDir, "vault");
    this.family = this.#signIn();
  }

  async add(client: Client): Promise<void> {
    await client.request("credentials/add", {
      name: this.name,
      ...this.#issuer.credential(this.family),
    });
  }

  /** After a loss, as a person would: signs in, and enters the new refresh token. */
  async enterAgain(client: Client): Promise<void> {
    this.family = this.#signIn();
    const { secrets } = this.#issuer.credential(this.family);
    await client.request("credentials/set", { credential: this.name, secrets });
    this.lost = false;
  }

  /** What the kill left, while nothing runs; throws an Error that says what must not be. */
  examine(): Finding {
    const { secrets, rotation } = this.#record();
    const { refreshTokens } = this.family;
    const age = refreshTokens.length - 1 - refreshTokens.indexOf(secrets.refresh_token ?? "");
    const hasIntent = rotation?.intent !== undefined;
    if (age === 0) return hasIntent ? "intent open, nothing spent" : "nothing open";
    if (age === 1 && (hasIntent || this.lost)) return "window";
    throw new Error(
      `${secrets.refresh_token} is on disk ${hasIntent ? "with" : "without"} an intent, but the issuer's current one is ${refreshTokens.at(-1)}`,
    );
  }

  /** Throws an Error unless it can be renewed now, or within what back-off asks for. */
  async prove(client: Client): Promise<GetTokenResult> {
    const giveUpAt = Date.now() + PATIENCE;
    for (;;) {
      const askedAt = Date.now();
      try {
        const result = await client.getToken({ credential: this.name, forceRefresh: true });
        this.check(result, askedAt);
        return result;
      } catch (error) {
        if (!isNotNow(error) || Date.now() > giveUpAt) throw error;
        await sleep(Math.min(error.retryAfterMs ?? 100, 1_000));
      }
    }
  }

  /** Throws an Error if this token must not have been handed out to somebody who asked at `askedAt`. */
  check({ accessToken }: GetTokenResult, askedAt: number): void {
    const access = this.#issuer.access.get(accessToken);
    if (!access) throw new Error(`${accessToken} was handed out, which the issuer never made`);
    if (access.expiresAt <= askedAt) {
      throw new Error(
        `${accessToken} was handed out ${askedAt - access.expiresAt} ms after its end`,
      );
    }
    if (this.#checked.has(accessToken) || access.family !== this.family) return;
    this.#checked.add(accessToken);
    const { refreshTokens } = access.family;
    const sealed = this.#record().secrets.refresh_token ?? "";
    if (refreshTokens.indexOf(sealed) >= refreshTokens.indexOf(access.refreshToken)) return;
    throw new Error(
      `${accessToken} was handed out while ${sealed} was still on disk, not ${access.refreshToken}`,
    );
  }

  /** Everything that helps to understand a failure. */
  account(): string {
    const seen = this.#issuer.seen.filter(({ family }) => family === this.family.name).slice(-8);
    const lines = seen.map(
      ({ at, refreshToken, outcome }) =>
        `  ${new Date(at).toISOString()} ${refreshToken} ${outcome}`,
    );
    let record: string;
    try {
      const { secrets, rotation, refused } = this.#record();
      record = JSON.stringify({ secrets, rotation, refused });
    } catch (error) {
      record = String(error);
    }
    return [`  on disk: ${record}`, "  the issuer saw:", ...lines].join("\n");
  }

  #record() {
    return sealedRecord(this.#vaultDir, this.name);
  }

  #signIn(): Family {
    return this.#issuer.signIn(`${this.name}-${this.#signIns++}`);
  }
}

function isNotNow(error: unknown): error is AuthdError {
  return (
    error instanceof AuthdError &&
    (error.reason === "issuer_unavailable" || error.reason === "timeout")
  );
}
