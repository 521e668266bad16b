import { AuthdError } from "../../errors.ts";
import type { Reason } from "../../protocol.ts";

/** Something was not done, as the store refuses this host. Only a person ends that: no time to try again is told. */
export class StoreRefuses extends AuthdError {
  override readonly name = "StoreRefuses";
  /** The refusal, with its next step. */
  readonly why: string;

  constructor(
    reason: Reason,
    { credential, not }: { credential: string; not: string },
    why: string,
  ) {
    super(reason, `${credential}: ${not}, as the store refuses this host. ${why}`, { credential });
    this.why = why;
  }
}
