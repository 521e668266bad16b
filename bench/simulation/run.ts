import { HOUR, MINUTE, SECOND } from "./faults.ts";
import type { Account } from "./issuer.ts";
import type { Track } from "./judge.ts";
import { inhabit } from "./programs.ts";
import type { Tally } from "./tally.ts";
import { unleash } from "./troubles.ts";
import { World } from "./world.ts";

export interface RunOptions {
  seed: number;
  days: number;
  credentials: number;
  /** Called after every simulated day. */
  onDay?: (day: number, tally: Tally) => void;
  onViolation?: (text: string) => void;
}

/** Runs the simulation, and hands over what was counted. The same seed gives the same run. */
export async function simulate(options: RunOptions): Promise<Tally> {
  const { seed, days, credentials, onDay, onViolation } = options;
  const world = new World({ seed, credentials, length: days * 24 * HOUR });
  if (onViolation) world.tally.onViolation = onViolation;
  world.start();
  for (const account of world.accounts) inhabit(world, account);
  unleash(world);
  await world.settle();
  for (let hour = 1; hour <= days * 24; hour++) {
    await world.run(hour * HOUR);
    for (const account of world.accounts) audit(world, account);
    if (hour % 24 === 0) onDay?.(hour / 24, world.tally);
  }
  world.tally.count("rings of the timer", world.clock.rings);
  world.kill();
  return world.tally;
}

/** Whoever is in use has a good token, unless there is a reason. */
export function audit(world: World, account: Account): void {
  if (!world.open || account.kind.grant === "static") return;
  if (isTroubled(world, account)) return;
  // What is refused waits for a person, with all its scopes.
  if ([...account.tracks.values()].some(({ state }) => state === "refused")) return;
  for (const [scope, track] of account.tracks) {
    if (!isInUse(world, account, scope, track) || isBeingServed(world, track)) continue;
    world.tally.count("audits of what is in use");
    if (track.state === "failing" && isPatient(world, track)) continue;
    if (hasToken(world, account, scope)) continue;
    const { truth } = world.clock;
    const since = Math.round((truth - track.askedAt) / MINUTE);
    world.violation(
      `${account.name} (${account.kind.name}) ${scope}: forgotten; asked for ${since} min ago, ${JSON.stringify(track)}`,
    );
  }
}

function isTroubled({ clock, network }: World, { host }: Account): boolean {
  const now = clock.truth;
  // After an outage all of a host's renewals share its four lanes.
  const back = 6 * MINUTE + host.accounts * 0.2 * SECOND;
  if (host.outage(now) || now - host.healthySince < back) return true;
  const { startedAt, steppedAt } = network.turns;
  const last = Math.max(startedAt, steppedAt, network.troubleAt, network.offlineUntil);
  return now - last < back;
}

/** When programs asked is sealed now and then only: a restart may forget the last six hours of it. */
function isInUse(
  { clock, network }: World,
  account: Account,
  scope: string,
  track: Track,
): boolean {
  if (scope === "" && account.kind.warm === "always") return true;
  // It had no token that could be found again: none ever, or none with the secret that was entered last.
  const isUnfound = track.bornAt < Math.max(0, account.mendedAt);
  if (isUnfound && track.askedAt < network.turns.startedAt) return false;
  const known = track.askedAt > network.turns.startedAt ? 11.9 * HOUR : 5.9 * HOUR;
  return clock.truth - track.askedAt < known && track.askedAt > account.mendedAt;
}

/** Somebody asked just now, and waits. */
function isBeingServed({ clock }: World, { needAt, heardAt }: Track): boolean {
  return needAt > heardAt && clock.truth - needAt < MINUTE;
}

/** Still within the back-off. */
function isPatient({ clock }: World, track: Track): boolean {
  return track.flying || clock.truth <= track.latest;
}

function hasToken(world: World, account: Account, scope: string): boolean {
  for (const token of account.tokens.values()) {
    const end = token.until + token.within + world.lied(token);
    if (token.variant === scope && end > world.clock.truth) return true;
  }
  return false;
}
