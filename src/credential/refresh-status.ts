import { omitUndefined } from "../base/omit-undefined.ts";
import type { Timekeeper } from "../base/timekeeper.ts";
import { AuthdError } from "../errors.ts";
import type { CredentialInfo, Reason } from "../protocol.ts";
import type { Refused } from "./record.ts";

/** Holds how one credential's token requests ended. */
export class RefreshStatus {
  /** The issuer refused the secret itself: nothing is sent until a person acts. */
  rejectedWith: AuthdError | undefined;
  /** Failures since the daemon started. */
  failureCount = 0;
  lastError: CredentialInfo["lastError"];
  readonly #time: Pick<Timekeeper, "now">;

  constructor(time: Pick<Timekeeper, "now">) {
    this.#time = time;
  }

  recordError(reason: Reason, message: string): void {
    this.lastError = { reason, message, at: this.#time.now().wall };
  }

  /** Forgets the last errors, as the secrets or the issuer were replaced. */
  reset(): void {
    this.rejectedWith = undefined;
    this.lastError = undefined;
  }

  /** Takes over a refusal from the sealed record. */
  restoreRejection(credential: string, { reason, message, oauth, at }: Refused): void {
    this.rejectedWith = new AuthdError(reason, message, omitUndefined({ credential, oauth }));
    this.lastError = { reason, message, at };
  }
}
