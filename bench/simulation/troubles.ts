/** What happens to the machine, the disk, the network and the accounts, and what people do about it. */
import { AuthdError } from "../../src/errors.ts";
import { DAY, HOUR, MINUTE, SECOND } from "./faults.ts";
import type { Account } from "./issuer.ts";
import { SECRET_FIELD } from "./population.ts";
import { nag, waitFor } from "./programs.ts";
import { UNSEALED_FOR, type World } from "./world.ts";

const YEAR = 365 * DAY;

/** How often on average each thing happens, and what. */
const TROUBLES: readonly { name: string; every: number; happen: (world: World) => void }[] = [
  { name: "wall clock: stepped", every: 1.5 * DAY, happen: stepClock },
  { name: "machine: slept", every: 0.5 * DAY, happen: sleep },
  { name: "daemon: killed", every: DAY, happen: killed },
  { name: "daemon: restarted in order", every: 2 * DAY, happen: restarted },
  { name: "machine: power cut", every: 5 * DAY, happen: powerCut },
  { name: "disk: failed", every: 4 * DAY, happen: diskFails },
  { name: "network: gone", every: DAY, happen: offline },
  { name: "issuer: all tokens revoked", every: 3 * DAY, happen: revokeTokens },
  { name: "API: nothing but 401", every: 3 * DAY, happen: breakApi },
  { name: "program: never content", every: DAY, happen: annoy },
  { name: "person: refreshes for no reason", every: 6 * HOUR, happen: curious },
];

export function unleash(world: World): void {
  const { clock, random, network, accounts, tally, length } = world;
  const again = (every: number, run: () => void) => {
    clock.at(clock.truth + random.wait(every), () => {
      if (world.open) run();
      again(every, run);
    });
  };
  for (const { name, every, happen } of TROUBLES) {
    again(every, () => {
      tally.count(name);
      happen(world);
    });
  }
  const revocations = Math.max(10, accounts.length / 50);
  again(length / revocations, () => revokeSecret(world));
  network.onRefused = (account) => callPerson(world, account);
}

function stepClock({ clock, random, network }: World): void {
  const size = random.chance(0.7) ? HOUR : YEAR;
  const back = -clock.wallAhead + random.between(-SECOND, SECOND);
  clock.stepWall(random.chance(0.4) ? back : random.chance(0.5) ? size : -size);
  network.turns.steppedAt = clock.truth;
}

/** The lid is closed, and opened again where there may be no network for a moment. */
function sleep(world: World): void {
  const { clock, random, network } = world;
  clock.suspend(random.between(0.1, 1) * random.pick([MINUTE, HOUR, 10 * HOUR]));
  network.troubleAt = clock.truth;
  if (random.chance(0.7)) network.offlineUntil = clock.truth + random.between(2, 20) * SECOND;
}

function killed(world: World): void {
  world.kill();
  startIn(world, world.random.between(1, 4) * SECOND);
}

function restarted(world: World): void {
  const { clock } = world;
  const daemon = world.daemon!;
  daemon.closing = true;
  daemon.registry.close();
  world.stopping();
  const toldAt = clock.truth;
  const look = () => {
    const { registry } = daemon;
    const isEarly = clock.truth < toldAt + 5 * SECOND;
    if (!isEarly) registry.refuse(new AuthdError("shutting_down", "it ends"));
    const awaits = isEarly ? registry.pendingRefreshes : registry.spending.length;
    if (awaits > 0 && clock.truth < toldAt + 120 * SECOND) {
      clock.at(clock.truth + 20, look);
      return;
    }
    if (!isEarly) world.tally.count("daemon: stayed for an answer");
    world.kill();
    startIn(world, SECOND);
  };
  clock.at(clock.truth + 20, look);
}

function powerCut(world: World): void {
  const { clock, random, disk } = world;
  world.kill();
  disk.cutPower();
  for (const account of world.accounts) account.lostPower();
  clock.at(clock.truth + random.between(0.02, 1) * random.pick([MINUTE, HOUR, 10 * HOUR]), () => {
    // Without power some clocks fall behind.
    if (random.chance(0.2)) clock.stepWall(-random.between(0, HOUR));
    clock.reboot();
    world.start();
  });
}

function startIn(world: World, ms: number): void {
  world.clock.at(world.clock.truth + ms, () => world.start());
}

function diskFails({ clock, random, disk }: World): void {
  disk.brokenSince = Math.min(disk.brokenSince, clock.truth);
  disk.unsealedSince = Math.min(disk.unsealedSince, clock.awakeBefore(UNSEALED_FOR));
  clock.at(clock.truth + random.between(5, 120) * MINUTE, () => {
    disk.brokenSince = Number.POSITIVE_INFINITY;
    disk.unsealedSince = Number.POSITIVE_INFINITY;
  });
}

function offline({ clock, random, network }: World): void {
  network.offlineUntil = clock.truth + random.between(1, 40) * MINUTE;
}

function revokeTokens({ clock, random, hosts }: World): void {
  random.pick(hosts).revokedAt = clock.truth;
}

function breakApi({ clock, random, hosts }: World): void {
  random.pick(hosts).apiBrokenUntil = clock.truth + random.between(1, 60) * MINUTE;
}

function annoy(world: World): void {
  const { clock, random, accounts } = world;
  nag(world, random.pick(accounts), clock.truth + random.between(1, 30) * MINUTE);
}

function curious(world: World): void {
  const account = world.random.pick(world.accounts);
  if (account.kind.grant !== "static") refresh(world, account);
}

// ---- secrets ----

function revokeSecret({ random, accounts, tally }: World): void {
  const account = random.pick(accounts);
  if (account.kind.grant === "static") return;
  tally.count("person: revoked a secret");
  if (account.family) {
    account.family.revoked = true;
    account.family.excuse ??= "a person revoked it";
  } else account.wrongSecret = true;
}

function callPerson(world: World, account: Account): void {
  if (account.mending) return;
  account.mending = true;
  const { clock, random } = world;
  const wait = random.between(0.1, 1) * random.pick([10 * MINUTE, 4 * HOUR, 20 * HOUR]);
  if (random.chance(0.1)) {
    clock.at(clock.truth + wait / 2, () => world.open && refresh(world, account));
  }
  clock.at(clock.truth + wait, () => mend(world, account));
}

/** A person enters a new secret, and tries it. */
function mend(world: World, account: Account): void {
  const { clock, tally } = world;
  const again = (ms: number) => clock.at(clock.truth + ms, () => mend(world, account));
  // A daemon that was killed meanwhile may have sealed it.
  if (!account.mending) return;
  if (!world.open) {
    again(MINUTE);
    return;
  }
  const family = account.family && account.newFamily(clock.truth);
  const secret = family?.current ?? `secret-${account.name}-${++account.serial}`;
  const entering = { secret, family };
  account.entering = entering;
  const secrets = { [SECRET_FIELD[account.kind.grant]]: secret };
  const amended = world.credential(account).update(account.settings, { secrets });
  again(10 * MINUTE);
  const entered = () => {
    if (account.entering === entering) account.enter(entering, clock.truth);
    account.entering = undefined;
    tally.count("person: entered a new secret");
    refresh(world, account);
  };
  waitFor(world, amended, entered, () => {});
}

function refresh(world: World, account: Account): void {
  allow(account, world.clock.truth);
  const done = () => {};
  waitFor(world, world.credential(account).refresh(30 * SECOND), done, done);
}

function allow(account: Account, now: number): void {
  account.track("");
  for (const track of account.tracks.values()) track.personAt = now;
}
