/** Hosts that are killed at each named instant of a refresh, while the others share its credential. */
import { setTimeout as sleep } from "node:timers/promises";
import { CRASH_POINTS } from "../../test/helpers/crash-points.ts";
import type { FleetCredential } from "./credential.ts";
import type { Fleet } from "./fleet.ts";
import type { FleetHost } from "./host.ts";
import { nothingFound, type Settled, settleOne } from "./settle.ts";

/** The points are reached by a refresh, which waits for no other host. */
const PATIENCE_MS = 120_000;

/** Kills one host after another, at so many of the instants for each credential; each time everything must work again, on all of them. */
export async function killAtPoints(
  { hosts, credentials }: Fleet,
  points: number,
): Promise<Settled> {
  const every = Math.ceil(CRASH_POINTS.length / points);
  const found = nothingFound();
  let turn = 0;
  for (const credential of credentials) {
    for (const point of CRASH_POINTS.filter((_, at) => at % every === 0)) {
      const host = hosts[turn++ % hosts.length]!;
      await killAt(host, credential, point);
      await settleOne(found, hosts, credential);
    }
  }
  return found;
}

async function killAt(host: FleetHost, credential: FleetCredential, point: string): Promise<void> {
  await host.endAt(point);
  let isOver = false;
  const ended = host.ended().then(() => {
    isOver = true;
  });
  const giveUpAt = Date.now() + PATIENCE_MS;
  while (!isOver) {
    if (Date.now() > giveUpAt)
      throw new Error(`${host.name} was not killed ${point}: ${host.said}`);
    // Within a second of the last one nothing is sent. The last one ends without an answer.
    const asked = host.client.getToken({ credential: credential.name, forceRefresh: true });
    await Promise.race([ended, asked.catch(() => {})]);
    await Promise.race([ended, sleep(200)]);
  }
  credential.lookAt(host);
  await host.start({ crashable: true });
}
