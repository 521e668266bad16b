/** What happens to a fleet while its programs ask for tokens. */
import { setTimeout as sleep } from "node:timers/promises";
import type { FleetHost } from "./host.ts";
import type { Way } from "./network.ts";
import type { FleetStore, Following } from "./stores.ts";

/** What a trouble is done to. */
interface Scene {
  readonly hosts: readonly FleetHost[];
  readonly store: FleetStore;
  /** How long (ms) the trouble lasts. */
  readonly lastsMs: number;
  /** Resolves with the host whose token request has just arrived, before it is answered. */
  nextAsker(): Promise<FleetHost>;
}

export interface Kind {
  /** As a document says it. */
  readonly what: string;
  readonly following?: Following;
  /** How far (ms) the clock of each host is ahead of the one before. */
  readonly clocksApartMs?: number;
  happens(scene: Scene): Promise<void>;
}

const MINUTE = 60_000;
/** Longer than a lease, ms. */
const PAUSED_MS = 17_000;

export const KINDS = {
  calm: {
    what: "nothing",
    happens: ({ lastsMs }) => sleep(lastsMs),
  },
  "cut from the store": {
    what: "half of the hosts can't reach the store, then the other half",
    happens: (scene) => cutHalves(scene, "store"),
  },
  "cut from the issuer": {
    what: "half of the hosts can't reach the issuers, then the other half",
    happens: (scene) => cutHalves(scene, "issuer"),
  },
  stopped: {
    what: "a host is stopped (SIGSTOP) for longer than its lease, while its request runs",
    async happens({ nextAsker, lastsMs }) {
      const end = Date.now() + lastsMs;
      do {
        const host = await nextAsker();
        host.pause();
        await sleep(PAUSED_MS);
        host.resume();
        await sleep(2_000);
      } while (Date.now() < end);
    },
  },
  restarted: {
    what: "PostgreSQL is stopped at once (SIGQUIT), and started three seconds later",
    async happens({ store, lastsMs }) {
      await sleep(lastsMs / 2);
      await store.restart();
      await sleep(lastsMs / 2);
    },
  },
  "promoted, synchronous": {
    what: "the server is gone; a standby for which commits have waited takes its place",
    following: "synchronous",
    async happens({ store, lastsMs }) {
      await sleep(lastsMs / 2);
      await store.promote();
      await sleep(lastsMs / 2);
    },
  },
  "promoted, asynchronous": {
    what: "the server is gone; a standby that lacks the last seconds takes its place",
    following: "asynchronous",
    async happens({ store, lastsMs }) {
      await sleep(lastsMs / 2);
      store.lag();
      await sleep(8_000);
      await store.promote();
      await sleep(lastsMs / 2);
    },
  },
  clocks: {
    what: "each host's wall clock is three minutes ahead of the one before",
    clocksApartMs: 3 * MINUTE,
    happens: ({ lastsMs }) => sleep(lastsMs),
  },
} satisfies Record<string, Kind>;

async function cutHalves({ hosts, lastsMs }: Scene, way: Way): Promise<void> {
  const middle = hosts.length / 2;
  for (const half of [hosts.slice(0, middle), hosts.slice(middle)]) {
    await Promise.all(half.map(({ place }) => place?.cut(way)));
    await sleep(lastsMs / 3);
    await Promise.all(half.map(({ place }) => place?.heal(way)));
    await sleep(lastsMs / 6);
  }
}
