/** Hosts that share credentials of two issuers: one ends a session when a spent token comes again, one forgives it. */
import type { Bench } from "../helpers/bench.ts";
import { RotatingIssuer } from "../helpers/rotating-issuer.ts";
import { FleetCredential } from "./credential.ts";
import { FleetHost, type StoreAddress } from "./host.ts";
import type { Place } from "./network.ts";

/** For so long (seconds) the second issuer takes a spent refresh token once more, and hosts know it. */
const GRACE = 60;
/** How long (ms) a token request waits before its token is spent, and its answer after that. */
const DELAYS: [number, number] = [50, 150];

export interface FleetOptions {
  places: readonly (Place | undefined)[];
  clocksApartMs?: number;
  /** They can be told where to end themselves. */
  crashable?: boolean;
  /** Address of the issuers. */
  address: string;
  /** Of each issuer. */
  credentials: number;
  /** Of access tokens, ms. */
  lifetime: number;
}

export class Fleet {
  readonly hosts: readonly FleetHost[];
  readonly credentials: readonly FleetCredential[];
  #onArrival: (from: string) => void = () => {};

  private constructor(hosts: readonly FleetHost[], credentials: readonly FleetCredential[]) {
    this.hosts = hosts;
    this.credentials = credentials;
  }

  /** Starts hosts with their issuers; none shares anything yet, and the first one has all credentials. */
  static async start(bench: Bench, options: FleetOptions): Promise<Fleet> {
    const { places, clocksApartMs = 0, address, lifetime } = options;
    const credentials: FleetCredential[] = [];
    const hosts = places.map((place, at) => {
      const shiftMs = clocksApartMs * at;
      return new FleetHost(bench, { name: `host-${at + 1}`, place, shiftMs });
    });
    const fleet = new Fleet(hosts, credentials);
    for (const [kind, grace] of [["strict", 0] as const, ["forgiving", GRACE] as const]) {
      const issuer = await RotatingIssuer.start({
        ...{ address, lifetime, grace: grace * 1_000, delays: () => DELAYS },
        arrived: async (from) => fleet.#onArrival(from),
      });
      bench.defer(() => issuer.close());
      for (let at = 0; at < options.credentials; at++) {
        credentials.push(new FleetCredential(`${kind}-${at}`, issuer, grace));
      }
    }
    const { crashable = false } = options;
    await Promise.all(hosts.map((host) => host.start({ crashable })));
    for (const credential of credentials) await credential.add(hosts[0]!);
    return fleet;
  }

  /** Moves the credentials into a store, and lets all hosts join. */
  async share(store: StoreAddress): Promise<void> {
    for (const host of this.hosts) host.knows(store);
    const [first, ...others] = this.hosts;
    await first!.client.request("vault/move", { to: store.url });
    for (const { client } of others) {
      const { invite } = await first!.client.request("fleet/invite", {});
      await client.request("fleet/join", { url: store.url, invite });
    }
  }

  /** Resolves with the host whose token request has just arrived. */
  nextAsker(): Promise<FleetHost> {
    return new Promise((resolve) => {
      this.#onArrival = (from) => {
        const host = this.hosts.find(({ place }) => from.endsWith(place?.address ?? "none"));
        if (!host) return;
        this.#onArrival = () => {};
        resolve(host);
      };
    });
  }
}
