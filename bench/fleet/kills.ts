/** Hosts that are killed at each named instant of a refresh, while the others share its credential. */
import { CRASH_POINTS } from "../../test/helpers/crash-points.ts";
import type { FleetCredential } from "./credential.ts";
import type { Fleet } from "./fleet.ts";
import type { FleetHost } from "./host.ts";
import { nothingFound, type Settled, settleOne } from "./settle.ts";

/** Kills one host after another; each time everything must work again, on all of them. */
export async function killAtPoints({ hosts, credentials }: Fleet): Promise<Settled> {
  const found = nothingFound();
  let turn = 0;
  for (const credential of credentials) {
    for (const point of CRASH_POINTS) {
      const host = hosts[turn++ % hosts.length]!;
      await killAt(host, credential, point);
      await settleOne(found, hosts, credential);
    }
  }
  return found;
}

async function killAt(host: FleetHost, credential: FleetCredential, point: string): Promise<void> {
  await host.endAt(point);
  const ended = host.ended();
  // It ends without an answer.
  const asked = host.client.getToken({ credential: credential.name, forceRefresh: true });
  await Promise.all([ended, asked.catch(() => {})]);
  credential.lookAt(host);
  await host.start({ crashable: true });
}
