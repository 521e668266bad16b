/** What hosts agree on once all of them are connected, and nothing is under way. */
import { isDeepStrictEqual } from "node:util";
import { AuthdError } from "../../src/errors.ts";
import type { FleetHost } from "./fleet-host.ts";
import type { FleetTime } from "./fleet-time.ts";
import { demand } from "./property.ts";
import type { RotatingIssuer } from "./rotating-issuer.ts";

/** A notice of each commit gets lost: this much later (ms) every host has asked. */
const HEARD_MS = 5_000;

/** A secret that a person entered: the steps in which that began, and was done. */
export interface Entered {
  name: "refresh_token" | "client_secret";
  value: string | undefined;
  beganAt: number;
  doneAt: number;
  /** Number of the host. */
  at: number;
  /** The store has got it; until then it gives way to what is changed on another host. */
  isStored: boolean;
}

/** Notes what the store has got of what was entered. */
export function noteStored(hosts: readonly FleetHost[], entered: readonly Entered[]): void {
  for (const one of entered) {
    const { host, credential } = hosts[one.at]!;
    if (one.isStored || host.vault.locked !== undefined || host.records.pending.has("a")) continue;
    one.isStored = sessionOf(credential.record.secrets[one.name]) === sessionOf(one.value);
  }
}

/** Returns the refresh token that all have. */
export function commonToken(hosts: readonly FleetHost[]): string {
  const records = hosts.map(({ credential }) => {
    const { secrets, shared } = credential.record;
    return { secrets, version: shared?.version, generation: shared?.generation };
  });
  const isSame = records.every((one) => isDeepStrictEqual(one, records[0]));
  demand(isSame, `hosts have other records: ${JSON.stringify(records)}`);
  return records[0]!.secrets.refresh_token!;
}

/** Of each secret, what a person entered after all others, and the store has got, is in force. */
export function assertLastEntered({ credential }: FleetHost, entered: readonly Entered[]): void {
  for (const name of ["refresh_token", "client_secret"] as const) {
    const value = credential.record.secrets[name];
    const all = entered.filter((one) => one.name === name);
    const own = all.find((one) => sessionOf(one.value) === sessionOf(value));
    demand(own !== undefined, `${value} is in force, and its entry was refused`);
    const later = all.find(({ isStored, beganAt }) => isStored && beganAt > own.doneAt);
    demand(later === undefined, `${value} is in force, and not ${later?.value}, entered after it`);
  }
}

/** The host refreshes; but a refresh token that may have been spent is not sent, unless that is forgiven. */
export async function goesOn(
  host: FleetHost,
  { time, issuer }: { time: FleetTime; issuer: RotatingIssuer },
): Promise<void> {
  const wasSpent = issuer.isSpent(host.credential.record.secrets.refresh_token!);
  let failure: unknown;
  const refreshed = host.refresh().catch((error) => {
    failure = error;
  });
  await time.finish(refreshed, `a refresh of ${host.name}`);
  await time.pass(HEARD_MS);
  const isAsked = failure instanceof AuthdError && failure.reason === "login_required";
  demand(failure === undefined || (wasSpent && isAsked), `a refresh of ${host.name}: ${failure}`);
}

/** The second word: of a refresh token the number of its session. */
const sessionOf = (value: string | undefined) => value?.split("-")[1];
