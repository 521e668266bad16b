import { rotatingSecret } from "../../grants/index.ts";
import type { Lifecycle } from "../lifecycle.ts";
import { keepsOneToken } from "../superseded.ts";
import type { SharedCredential } from "./shared-owner.ts";

/** Returns a credential as the shared records see it. */
export function sharedCredential(life: Lifecycle): SharedCredential {
  const { stored } = life;
  return {
    get live() {
      return stored.record;
    },
    get rotates() {
      return rotatingSecret(life.settings);
    },
    get refreshToken() {
      const rotates = rotatingSecret(life.settings);
      return rotates === undefined ? undefined : stored.record?.secrets[rotates];
    },
    get keepsOneToken() {
      return stored.record !== undefined && keepsOneToken(life.settings, stored.record);
    },
    snapshot: () => stored.snapshot(),
    takeShared: (next, isChange) => life.takeShared(next, isChange),
    changed: () => life.onChange(),
    changeLost: (host = "another host") => {
      const message = `what was changed on this host had not reached the store, and gave way to what ${host} changed meanwhile`;
      life.deps.log.warn({ credential: life.name }, `${life.name}: ${message}`);
      life.deps.onEvent({ kind: "set", credential: life.name, message });
    },
    keep: async (durable) => (stored.record ? await stored.save(stored.record, durable) : true),
  };
}
