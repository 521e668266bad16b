import { AuthdError } from "../../errors.ts";

/** The store does not let this host in, or what the settings say of it can't be used. Only a person ends that. */
export class StoreRefusal extends AuthdError {
  override readonly name = "StoreRefusal";

  constructor(message: string, cause?: unknown) {
    super("internal", message, cause === undefined ? {} : { cause });
  }
}
