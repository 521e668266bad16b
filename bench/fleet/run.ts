/** One run of a fleet: its programs ask, something happens to it, and then everything must work on every host. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Bench } from "../helpers/bench.ts";
import { Fleet } from "./fleet.ts";
import { killAtPoints } from "./kills.ts";
import type { Kind } from "./kinds.ts";
import { addressOf, makeNetwork } from "./network.ts";
import { Programs } from "./programs.ts";
import { type Settled, settle } from "./settle.ts";
import { startStore } from "./stores.ts";

/** No refresh happens but those that are meant. */
const LONG_MS = 3_600_000;

export interface Options {
  hosts: number;
  /** Of each of the two issuers. */
  credentials: number;
  /** Of access tokens, ms. */
  lifetime: number;
  /** How long (ms) the trouble lasts. */
  lastsMs: number;
  /** At how many of the named instants hosts are killed. */
  points: number;
}

/** What the issuers saw. */
interface Seen {
  /** Spent refresh tokens that were sent again, beyond the grace. */
  doubles: number;
  /** Times (ms) from one refresh of a credential to the next. */
  intervals: number[];
  /** Answers that an issuer had to repeat. */
  repeated: number;
}

export interface Outcome extends Settled, Seen {
  /** None if nobody asked beside it. */
  programs?: Programs;
  /** What helps to understand what was broken. */
  account: string;
}

export async function runKind(bench: Bench, kind: Kind, options: Options): Promise<Outcome> {
  const { hosts, lastsMs, credentials, lifetime } = options;
  const places = await makeNetwork(bench, hosts);
  const { clocksApartMs = 0, following } = kind;
  const store = await startStore(bench, following);
  const address = addressOf("issuer");
  const fleet = await Fleet.start(bench, { places, address, clocksApartMs, credentials, lifetime });
  await fleet.share(store.address);
  const programs = new Programs(fleet.hosts, fleet.credentials);
  const startedAt = Date.now();
  const nextAsker = () => fleet.nextAsker();
  await kind.happens({ hosts: fleet.hosts, store, lastsMs, nextAsker });
  const endedAt = Date.now();
  const settled = await settle(fleet);
  await programs.stop();
  return { ...settled, ...seenOf(fleet, startedAt, endedAt), programs, account: accountOf(fleet) };
}

/** Kills hosts with SIGKILL at every named instant of a refresh, one after another. */
export async function runKills(bench: Bench, { hosts, points }: Options): Promise<Outcome> {
  const places = await makeNetwork(bench, hosts);
  const store = await startStore(bench);
  const few = { crashable: true, lifetime: LONG_MS, credentials: 1 };
  const fleet = await Fleet.start(bench, { places, address: addressOf("issuer"), ...few });
  await fleet.share(store.address);
  const found = await killAtPoints(fleet, points);
  return { ...found, ...seenOf(fleet, 0, Date.now()), account: accountOf(fleet) };
}

/** One daemon with the same credentials, and no store. */
export async function runAlone(bench: Bench, options: Options): Promise<number[]> {
  const { lastsMs, credentials, lifetime } = options;
  const places = await makeNetwork(bench, 1);
  const fleet = await Fleet.start(bench, {
    places,
    address: addressOf("issuer"),
    credentials,
    lifetime,
  });
  const programs = new Programs(fleet.hosts, fleet.credentials);
  const startedAt = Date.now();
  await sleep(lastsMs);
  await programs.stop();
  return seenOf(fleet, startedAt, Date.now()).intervals;
}

function seenOf({ credentials }: Fleet, startedAt: number, endedAt: number): Seen {
  const intervals: number[] = [];
  const counts = { rotated: 0, repeated: 0, revoked: 0, refused: 0, dropped: 0 };
  for (const { seen } of credentials) {
    for (const { outcome } of seen) counts[outcome]++;
    const rotated = seen.filter(({ outcome }) => outcome === "rotated").map(({ at }) => at);
    const times = rotated.filter((at) => at > startedAt && at < endedAt);
    intervals.push(...times.slice(1).map((at, before) => at - times[before]!));
  }
  return { intervals, doubles: counts.revoked, repeated: counts.repeated };
}

/** Which host sent which refresh token when, and what the daemons said. */
function accountOf({ hosts, credentials }: Fleet): string {
  const sent = credentials.map(({ name, seen }) => {
    const each = seen.slice(-40).map(({ at, from, refreshToken, outcome }) => {
      const time = new Date(at).toISOString().slice(14, 23);
      return `${time} ${from.split(".").at(-1)} ${refreshToken.split("-").at(-1)} ${outcome}`;
    });
    return `${name}: ${each.join(", ")}`;
  });
  return [...sent, ...hosts.map(({ name, said }) => `${name} said: ${said}`)].join("\n");
}
