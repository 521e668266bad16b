/** One outage of one kind: a real daemon, its issuer, what is asked, and what comes of it. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, type CredentialInfo, connect } from "../../src/client.ts";
import { createAuthority } from "../../test/helpers/certificates.ts";
import type { Bench } from "../helpers/bench.ts";
import { MAIN, startDaemon } from "../helpers/child.ts";
import { makeHome } from "../helpers/home.ts";
import { Callers } from "./callers.ts";
import { OutageIssuer } from "./issuer.ts";
import { type Kind, placeOf, type Stage } from "./kinds.ts";

/** Connections to the daemon, and how many questions each has open while credentials are made. */
const CLIENTS = 32;
/** Before and after the outage tokens live so long (ms) that nothing but the outage is measured. */
const LONG = 3_600_000;

export interface Options {
  credentials: number;
  /** Of tokens, ms. */
  lifetime: number;
  /** How many of them the outage lasts. */
  lifetimes: number;
}

/** What was seen of one credential. Wall clock, ms. */
export interface Fate {
  name: string;
  /** Callers ask for it all the time; of the others only the daemon itself thinks. */
  asked: boolean;
  /** Tries that failed during the outage. */
  failures: number;
  before: CredentialInfo;
  /** When the issuer was back. */
  after: CredentialInfo;
  /** Requests that arrived during the outage. */
  arrivals: number[];
  /** Its first token since; undefined: none came. */
  returnedAt: number | undefined;
  works: boolean;
}

export interface Outcome {
  startedAt: number;
  endedAt: number;
  fates: Fate[];
  callers: Callers;
  /** How long it took (ms) to renew all of them at once, while all was well. */
  renewalOfAll: number;
  retryAfter: number;
  /** To what share of the back-off callers may bring a try forward. */
  share: number;
  /** New connections that the issuer saw while it was down. */
  connections: number;
  /** Token requests that the issuer worked on at once. */
  peak: number;
  /** Token requests in each second since its return. */
  eachSecond: number[];
}

export async function runOutage(bench: Bench, kind: Kind, options: Options): Promise<Outcome> {
  const { credentials, lifetime, lifetimes } = options;
  const authority = createAuthority("The outage's authority");
  const issuer = new OutageIssuer(LONG, kind.tls && authority.issue("127.0.0.1"));
  await issuer.listen();
  bench.defer(() => issuer.close().catch(() => {}));
  const hosts = join(bench.folder, "hosts");
  const retryAfter = kind.patient ? Math.ceil(lifetime / 1_000) : 0;
  const setup: Stage = { bench, issuer, authority, hosts, retryAfter };
  const { origin, settings, through } = placeOf(kind, setup);
  const home = makeHome(bench);
  const daemon = await startDaemon(bench, home, MAIN, through);
  const clients = Array.from({ length: CLIENTS }, () => connect({ socket: home.socket }));
  const names = Array.from({ length: credentials }, (_, i) => `outage-${i}`);
  const all = (what: (client: Client, name: string) => Promise<unknown>) =>
    forEach(clients, names, what);

  const tokenUrl = `${origin}:${issuer.port}/token`;
  await all((client, name) => {
    const own = { token_url: tokenUrl, client_id: name, client_auth: "post", ...settings };
    const secrets = { client_secret: "practice" };
    return client.request("credentials/add", {
      ...{ name, secrets, settings: own },
      grant: "client_credentials",
    });
  });
  issuer.lifetime = lifetime;
  // A forced refresh within a second of the last gets the same token again.
  await sleep(1_100);
  const filledAt = performance.now();
  await all((client, name) => client.getToken({ credential: name, forceRefresh: true }));
  const renewalOfAll = performance.now() - filledAt;
  const asked = names.filter((_, i) => i % 2 === 0);
  await untilRegular(clients[0]!);
  const callers = new Callers(clients, asked);

  const before = await list(clients[0]!);
  const { connections } = issuer;
  const startedAt = Date.now();
  const end = await kind.begin(setup);
  await sleep(lifetimes * lifetime);
  const after = await list(clients[0]!);
  issuer.lifetime = LONG;
  const endedAt = Date.now();
  await end();
  const connected = issuer.connections - connections;
  const returned = await waitForAll(issuer, names, endedAt);
  await callers.stop();

  const working = new Set<string>();
  await all(async (client, name) => {
    const { accessToken, expiresAt } = await client.getToken({ credential: name });
    const isGood = accessToken.startsWith(`practice-${name}-`) && (expiresAt ?? 0) > Date.now();
    if (isGood) working.add(name);
  });
  for (const client of clients) client.close();
  await daemon.stop();
  await issuer.close().catch(() => {});
  return {
    ...{ startedAt, endedAt, callers, renewalOfAll, connections: connected, peak: issuer.peak },
    retryAfter: retryAfter * 1_000,
    share: kind.share,
    fates: names.map((name, i) => ({
      ...{ name, asked: i % 2 === 0, before: before.get(name)!, after: after.get(name)! },
      failures: after.get(name)!.failureCount - before.get(name)!.failureCount,
      arrivals: within(issuer.arrivals.get(name), startedAt, endedAt),
      returnedAt: returned.get(name),
      works: working.has(name),
    })),
    eachSecond: histogram([...issuer.arrivals.values()].flat(), endedAt, returned),
  };
}

async function forEach(
  clients: readonly Client[],
  names: readonly string[],
  what: (client: Client, name: string) => Promise<unknown>,
): Promise<void> {
  const left = names.values();
  await Promise.all(
    clients.map(async (client) => {
      for (const name of left) await what(client, name);
    }),
  );
}

async function list(client: Client): Promise<Map<string, CredentialInfo>> {
  const { credentials } = await client.request("credentials/list", {});
  return new Map(credentials.map((info) => [info.name, info]));
}

/** A token that lives shorter than the one before is renewed once more: that is over then. */
async function untilRegular(client: Client): Promise<void> {
  const isReady = ({ state, retryAt }: CredentialInfo) =>
    state === "ready" && retryAt === undefined;
  while (![...(await list(client)).values()].every(isReady)) await sleep(50);
}

/** When each got its first token since `from`; gives up on those that take longer than any rule allows. */
async function waitForAll(
  { given }: OutageIssuer,
  names: readonly string[],
  from: number,
): Promise<Map<string, number>> {
  const returned = new Map<string, number>();
  const giveUpAt = Date.now() + 330_000;
  while (returned.size < names.length && Date.now() < giveUpAt) {
    await sleep(20);
    for (const name of names) {
      const askedAt = given.get(name)?.askedAt ?? 0;
      if (!returned.has(name) && askedAt >= from) returned.set(name, askedAt);
    }
  }
  return returned;
}

function within(times: readonly number[] = [], from: number, to: number): number[] {
  return times.filter((at) => at >= from && at < to);
}

function histogram(
  times: readonly number[],
  from: number,
  returned: ReadonlyMap<string, number>,
): number[] {
  const to = Math.max(from, ...returned.values());
  const counts = Array.from({ length: Math.floor((to - from) / 1_000) + 1 }, () => 0);
  for (const at of within(times, from, to + 1)) counts[Math.floor((at - from) / 1_000)]!++;
  return counts;
}
