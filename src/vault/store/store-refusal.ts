import { AuthdError } from "../../errors.ts";

/** The store does not let this host in, or what the settings say of it can't be used. Only a person ends that. */
export class StoreRefusal extends AuthdError {
  override readonly name: string = "StoreRefusal";

  constructor(message: string, cause?: unknown) {
    super("invalid_params", message, cause === undefined ? {} : { cause });
  }
}

/** This host is none of the store's. */
export class StoreUnknown extends StoreRefusal {
  override readonly name = "StoreUnknown";
}
