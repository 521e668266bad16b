import type { ExecutionContext } from "ava";
import { VaultLocker } from "../../src/lock/vault-locker.ts";
import { startTestRegistry } from "./test-registry.ts";

export const PASSPHRASE = "open sesame";

/** An engine whose vault is sealed with PASSPHRASE, and its lock; with "" the key lies in a file. */
export async function startLockable(
  t: ExecutionContext,
  { after, passphrase = PASSPHRASE }: { after?: number; passphrase?: string | undefined } = {},
) {
  let tick = () => {};
  const key = passphrase === "" ? {} : { passphrase };
  const engine = await startTestRegistry(t, { onTick: () => tick(), ...key });
  const forgotten: string[] = [];
  const lock = new VaultLocker({
    ...{ clock: engine.clock, time: engine.time, registry: engine.registry, log: engine.log },
    vault: engine.sealed,
    afterMs: after,
    onEvent: (event) => void engine.events.push(event),
    inTurn: (work) => work(),
    onLocked: () => {
      forgotten.push("forgotten");
      engine.http.reconnect();
    },
    onOpened: async () => {},
  });
  tick = () => lock.tick();
  return { ...engine, lock, forgotten };
}
