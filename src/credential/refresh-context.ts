import type { CredentialSettings } from "../config/settings.ts";
import type { Blocker } from "./blocker.ts";
import type { CredentialDeps } from "./credential-deps.ts";
import type { RefreshStatus } from "./refresh-status.ts";
import type { Refusals } from "./refusals.ts";
import type { StoredRecord } from "./stored-record.ts";
import type { TokenCache } from "./token-cache.ts";

/** The credential whose tokens are refreshed. */
export interface TokenOwner {
  readonly tokens: TokenCache;
  readonly stored: StoredRecord;
  /** Returns the settings, and what blocks their use. Both may be replaced while a request is sent. */
  current(): { settings: CredentialSettings; blocker: Blocker | undefined };
  /** Called when the credential's state or its next deadline may have changed. */
  onChange(): void;
}

/** Everything that refreshing one credential's tokens works with. */
export interface RefreshContext {
  readonly deps: CredentialDeps;
  readonly owner: TokenOwner;
  readonly refusals: Refusals;
  readonly status: RefreshStatus;
}
