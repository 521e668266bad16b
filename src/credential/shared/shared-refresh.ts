import { rotatingSecret } from "../../grants/index.ts";
import type { RefreshContext } from "../refresh-context.ts";
import { freshness } from "../token.ts";
import type { PendingRefresh, TokenSlot } from "../token-slot.ts";
import type { SharedRefresh } from "./shared-lease.ts";

/** Describes a refresh of `slot` for the lease under which it runs. */
export function sharedRefresh(
  { owner, deps }: RefreshContext,
  slot: TokenSlot,
  pendingRefresh: PendingRefresh,
): SharedRefresh {
  const { settings } = owner.current();
  const rotates = rotatingSecret(settings);
  const before = slot.issued?.accessToken;
  return {
    name: settings.name,
    isRotating: rotates !== undefined,
    spends: () => (rotates === undefined ? undefined : owner.stored.record?.secrets[rotates]),
    reuseGraceMs: pendingRefresh.byPerson ? Number.POSITIVE_INFINITY : reuseGraceMs(settings.own),
    isDone: () => {
      const { issued, rejectedToken } = owner.tokens.getOrCreate(slot.target);
      if (!issued || issued.accessToken === before) return false;
      if (issued.accessToken === rejectedToken) return false;
      return freshness(issued.token, deps.time.now()) !== "expired";
    },
  };
}

/** Returns `reuse_grace` of the credential's file in ms; 0 if it has none. */
export function reuseGraceMs(own: unknown): number {
  const { reuse_grace: seconds = 0 } = own as { reuse_grace?: number };
  return seconds * 1_000;
}
