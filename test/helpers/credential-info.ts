import type { CredentialInfo } from "../../src/protocol.ts";

/** What is told of a credential that is well, but for `more`. */
export function infoOf(name: string, more: Partial<CredentialInfo> = {}): CredentialInfo {
  return {
    name,
    grant: "client_credentials",
    state: "ready",
    expiresAt: null,
    refreshAt: null,
    refreshCount: 0,
    failureCount: 0,
    failuresInRow: 0,
    origins: [],
    ...more,
  };
}
