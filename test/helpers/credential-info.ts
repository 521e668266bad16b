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

/** The moment of which `readyInfo` tells, ms since the epoch. */
export const NOW = Date.UTC(2026, 5, 1);

/** Describes a credential that is in use, with half of its token's life left. */
export function readyInfo(more: Partial<CredentialInfo> = {}): CredentialInfo {
  return infoOf("labelf", {
    preset: "labelf",
    expiresAt: NOW + 30_000,
    refreshAt: NOW + 15_000,
    lastRefreshAt: NOW - 30_000,
    lastAskedAt: NOW - 7_200_000,
    origins: ["https://api.app.labelf.ai"],
    ...more,
  });
}
