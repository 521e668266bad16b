/** What is left of a fleet's sessions when the trouble is over. */
import { setTimeout as sleep } from "node:timers/promises";
import type { FleetCredential } from "./credential.ts";
import type { Fleet } from "./fleet.ts";
import type { FleetHost } from "./host.ts";

/** An intent that nobody closes lasts five minutes; what comes then, and a busy machine. */
const PATIENCE_MS = 360_000;
const PAUSE_MS = 100;
/** One question of a host to the store, and a busy machine. */
const SOON_MS = 5_000;

export interface Settled {
  /** Sessions that ended as a token was spent twice, or although a host had synced the newest one. */
  lost: string[];
  /** Sessions that ended in the window between the issuer's answer and its fsync. */
  lostInWindow: number;
  /** How often a person had to say that a refresh token may be tried, of which a host can't know that it was not sent. */
  asked: number;
  /** Credentials that do not work on every host at last. */
  broken: string[];
  /** How long (ms) it took until all worked. */
  settledMs: number;
}

export const nothingFound = (): Settled => ({
  ...{ lost: [], lostInWindow: 0, asked: 0, broken: [], settledMs: 0 },
});

/** Waits until every credential works on every host. */
export async function settle({ hosts, credentials }: Fleet): Promise<Settled> {
  const found = nothingFound();
  await Promise.all(credentials.map((credential) => settleOne(found, hosts, credential)));
  return found;
}

/** Waits until one does; where a host says that a person is needed, a person does what the host asks for. */
export async function settleOne(
  found: Settled,
  hosts: readonly FleetHost[],
  credential: FleetCredential,
): Promise<void> {
  const startedAt = Date.now();
  for (;;) {
    const host = await whoNeedsPerson(hosts, credential);
    if (host) await asPerson(found, hosts, credential, host).catch(() => {});
    else if (await works(hosts, credential, startedAt)) break;
    if (Date.now() - startedAt > PATIENCE_MS) return void found.broken.push(credential.name);
    await sleep(PAUSE_MS);
  }
  found.settledMs = Math.max(found.settledMs, Date.now() - startedAt);
}

async function asPerson(
  found: Settled,
  hosts: readonly FleetHost[],
  credential: FleetCredential,
  host: FleetHost,
): Promise<void> {
  const { name, family } = credential;
  if (host.refreshTokenOf(name) === family.refreshTokens.at(-1) && !family.revoked) {
    // The issuer says that it was not spent.
    await host.client.request("credentials/refresh", { credential: name });
    found.asked++;
    return;
  }
  if (family.revoked || credential.isForgotten(hosts)) found.lost.push(name);
  else found.lostInWindow++;
  await credential.enterAgain(host.client);
}

/** True if a host can refresh it, and soon all hosts serve what that brought, or something newer. */
async function works(
  hosts: readonly FleetHost[],
  credential: FleetCredential,
  startedAt: number,
): Promise<boolean> {
  const { name } = credential;
  const host = hosts[Math.floor(Math.random() * hosts.length)]!;
  try {
    const { accessToken } = await host.client.getToken({
      ...{ credential: name, forceRefresh: true, timeoutMs: SOON_MS },
    });
    // Within a second of the last refresh nothing is sent, and the token is the one of before.
    if (!credential.isMadeAfter(accessToken, startedAt)) return false;
    for (const giveUpAt = Date.now() + SOON_MS; Date.now() < giveUpAt; ) {
      const ask = ({ client }: FleetHost) => client.getToken({ credential: name });
      const answers = await Promise.all(hosts.map(ask));
      if (answers.every((answer) => credential.isSince(answer.accessToken, accessToken)))
        return true;
    }
  } catch {
    // Whether it is lost is asked next.
  }
  return false;
}

/** Returns a host that says that a person is needed. One that does not answer says nothing. */
async function whoNeedsPerson(
  hosts: readonly FleetHost[],
  credential: FleetCredential,
): Promise<FleetHost | undefined> {
  const needs = await Promise.all(hosts.map((host) => needsPerson(host, credential)));
  return hosts.find((_, at) => needs[at]);
}

async function needsPerson({ client }: FleetHost, { name }: FleetCredential): Promise<boolean> {
  try {
    const { credentials } = await client.request("credentials/list", {});
    return credentials.find((one) => one.name === name)?.state === "login_required";
  } catch {
    return false;
  }
}
