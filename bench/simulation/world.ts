/** The simulation: a daemon's real core on simulated clocks, disk, issuers, programs and people. */
import { setImmediate as breathe, setTimeout as sleep } from "node:timers/promises";
import { Timekeeper } from "../../src/base/timekeeper.ts";
import { resolveCredential } from "../../src/config/config.ts";
import type { Credential } from "../../src/credential/credential.ts";
import { HostLimiter } from "../../src/credential/host-limiter.ts";
import type { IssuedToken } from "../../src/credential/issued-token.ts";
import { OneTimeCodes } from "../../src/credential/one-time-codes.ts";
import type { StoredToken } from "../../src/credential/record.ts";
import { Registry } from "../../src/credential/registry.ts";
import { SpendingRequests } from "../../src/credential/spending-requests.ts";
import { IssuerClocks } from "../../src/http/issuer-clock.ts";
import type { EventPayload } from "../../src/protocol.ts";
import { NO_CANDIDATES } from "../../test/helpers/no-candidates.ts";
import { SimulatedClock } from "./clock.ts";
import { DAY, MINUTE, outages, SECOND } from "./faults.ts";
import { Account, Host, type Truth } from "./issuer.ts";
import type { Track } from "./judge.ts";
import { connectTo, type Network } from "./network.ts";
import { fileOf, populate, SECRET_FIELD } from "./population.ts";
import { Random } from "./random.ts";
import { Tally } from "./tally.ts";
import { Disk } from "./vault.ts";

const LANES = 4;
/** Turns of the event loop in which all that needs no I/O is done. */
const MANY = 1_000;
/** So many rings for nothing within a second are a loop. A few, for deadlines put off meanwhile, are not. */
const IDLE_RINGS = 50;
/** All are looked at every five minutes: what a program asked for is not sealed for so long. */
export const UNSEALED_FOR = 6 * MINUTE;
const quiet = () => {};
const LOG = { debug: quiet, info: quiet, warn: quiet, error: quiet };

export interface WorldOptions {
  seed: number;
  credentials: number;
  /** Milliseconds that the schedule of faults covers. */
  length: number;
}

/** The daemon's core: one registry, from its start to its end. */
interface Daemon {
  alive: boolean;
  closing: boolean;
  registry: Registry;
}

export class World {
  readonly clock: SimulatedClock;
  readonly random: Random;
  readonly tally = new Tally();
  readonly accounts: Account[] = [];
  readonly hosts: Host[] = [];
  readonly disk: Disk;
  readonly network: Network;
  readonly length: number;
  daemon: Daemon | undefined;
  /** Calls that wait for their answer. */
  waiting = 0;
  readonly #byName = new Map<string, Account>();
  /** Accounts that the daemon says it is refreshing, by host. */
  readonly #flying = new Map<Host, Set<Account>>();
  #stirred = false;
  /** How far the wall clock was ahead at least when a daemon started on this boot. */
  #leastAhead = 0;
  #leastAheadBoot = "";
  /** Rings of the timer since anything else happened, the first of them at. */
  #idleRings = 0;
  #idleSince = 0;

  constructor({ seed, credentials, length }: WorldOptions) {
    this.length = length;
    const random = new Random(seed);
    this.random = random;
    const ownRandom = new Random(seed + 1);
    this.clock = new SimulatedClock(() => ownRandom.next());
    this.disk = new Disk(this.clock, () => random.next());
    this.network = {
      clock: this.clock,
      random,
      tally: this.tally,
      turns: { startedAt: 0, steppedAt: Number.NEGATIVE_INFINITY },
      accounts: this.#byName,
      troubleAt: Number.NEGATIVE_INFINITY,
      offlineUntil: 0,
      stir: () => this.stir(),
      onRefused: () => {},
    };
    this.#populate(credentials);
    this.disk.onChange = () => this.stir();
    this.disk.onSynced = (name, { secrets }) => {
      this.#byName.get(name)!.synced = secrets.refresh_token;
    };
  }

  // ---- who lives here ----

  #populate(credentials: number): void {
    const { random } = this;
    const kinds = populate(credentials);
    const hostCount = Math.max(6, Math.ceil(kinds.length / 60));
    for (let n = 0; n < hostCount; n++) {
      const skew = random.chance(0.5) ? 0 : random.between(-5 * 60, 5 * 60) * SECOND;
      const faults = outages(random, this.length, random.pick([DAY, 3 * DAY, 10 * DAY]));
      this.hosts.push(new Host(`issuer-${n}.example`, skew, faults, n % 3 === 0));
    }
    kinds.forEach((kind, n) => {
      // A third of all are at one issuer.
      const host = random.chance(1 / 3) ? this.hosts[0]! : random.pick(this.hosts);
      const name = `c${n}`;
      const file = fileOf(kind, name, host.name);
      const settings = resolveCredential(name, file, {}, { configDir: "/nowhere" });
      const account = new Account(name, kind, host, settings);
      this.accounts.push(account);
      account.synced = account.family?.current;
      this.#byName.set(name, account);
      this.disk.place(name, {
        secrets: { [SECRET_FIELD[kind.grant]]: account.family?.current ?? `secret-${name}` },
        binding: settings.binding,
        tokens: [],
      });
    });
  }

  // ---- the daemon ----

  start(): void {
    const { clock } = this;
    const state: Pick<Daemon, "alive" | "closing"> = { alive: true, closing: false };
    const alive = () => state.alive;
    const time = new Timekeeper(clock);
    const registry = new Registry({
      clock,
      time,
      http: connectTo(this.network, alive),
      hostLimiter: new HostLimiter(),
      codes: new OneTimeCodes(),
      candidates: NO_CANDIDATES,
      issuerClocks: new IssuerClocks(time),
      spendingRequests: new SpendingRequests(),
      vault: this.disk.open(alive),
      log: LOG,
      onEvent: (event) => {
        if (state.alive) this.#heard(event);
      },
    });
    this.daemon = Object.assign(state, { registry });
    this.network.turns.startedAt = clock.truth;
    this.network.troubleAt = clock.truth;
    if (clock.bootId !== this.#leastAheadBoot) this.#leastAhead = clock.wallAhead;
    this.#leastAhead = Math.min(this.#leastAhead, clock.wallAhead);
    this.#leastAheadBoot = clock.bootId;
    this.#flying.clear();
    for (const account of this.accounts) this.#resume(registry, account);
    registry.tick();
    this.stir();
    this.tally.count("daemon: starts");
  }

  /** What it read of an account must be the newest that ever reached the disk. */
  #resume(registry: Registry, account: Account): void {
    account.inFlight = 0;
    account.unanswered.clear();
    account.host.reset();
    const { record } = registry.add(account.settings);
    const { name, entering } = account;
    account.entering = undefined;
    account.forgetFailures();
    // When programs asked is told by the wall clock: if that was set, it may seem long ago.
    const { steppedAt } = this.network.turns;
    for (const track of account.tracks.values()) {
      if (track.askedAt < steppedAt) track.askedAt = Number.NEGATIVE_INFINITY;
    }
    account.found = new Set(record.tokens.map(({ accessToken }) => accessToken));
    for (const [scope, track] of account.tracks) {
      const stored = record.tokens.find(({ variant }) => (variant?.scope ?? "") === scope);
      track.told = this.#toldOf(stored, account, track);
    }
    if (entering && record.secrets[SECRET_FIELD[account.kind.grant]] === entering.secret) {
      account.enter(entering, this.clock.truth);
    }
    const { family } = account;
    if (!family) return;
    const token = record.secrets.refresh_token;
    if (token === family.known) return;
    if (account.synced === family.known) {
      this.violation(`${name}: started with ${token}, although ${family.known} was synced`);
    }
    this.tally.count("sessions: killed between answer and disk");
    family.excuse = "killed between answer and disk";
    family.parent = record.rotation?.previous;
    family.known = token ?? "";
  }

  /** Until when a daemon takes what it found for good: after a reboot its wall clock alone tells the age. */
  #toldOf(stored: StoredToken | undefined, account: Account, { token, told }: Track): number {
    const { truth: now, bootId, wallAhead } = this.clock;
    const truth = stored && account.tokens.get(stored.accessToken);
    if (!truth) return Number.NEGATIVE_INFINITY;
    const { bornAt, until } = truth;
    if (stored.obtainedAt.bootId === bootId) return stored.accessToken === token ? told : until;
    const age = now + wallAhead - bornAt - truth.wallAhead;
    return now + until - bornAt - Math.max(0, age);
  }

  /** It ends: what programs asked for since all were looked at, or while it could not write, was not sealed. */
  stopping(): void {
    const since = Math.min(this.clock.awakeBefore(UNSEALED_FOR), this.disk.unsealedSince);
    for (const { tracks } of this.accounts) {
      for (const track of tracks.values()) {
        if (track.askedAt >= since) track.askedAt = Number.NEGATIVE_INFINITY;
      }
    }
  }

  /** The process is gone at once. */
  kill(): void {
    if (!this.daemon) return;
    this.stopping();
    this.daemon.registry.close();
    this.daemon.alive = false;
    this.daemon = undefined;
    for (const account of this.accounts) this.#cutOff(account);
    this.clock.forgetTimers();
    this.waiting = 0;
    this.network.troubleAt = this.clock.truth;
  }

  #cutOff({ family, inFlight }: Account): void {
    if (family && inFlight > 0) family.excuse ??= "killed while it was asked for";
  }

  get open(): boolean {
    return this.daemon !== undefined && !this.daemon.closing;
  }

  credential(account: Account): Credential {
    return this.daemon!.registry.get(account.name);
  }

  // ---- time ----

  /** Lets time pass until then. */
  async run(until: number): Promise<void> {
    const { clock } = this;
    for (;;) {
      const { rings } = clock;
      if (!clock.next(until)) break;
      if (clock.rings > rings) this.#rang();
      // It may have been the timer of one of those.
      if (this.waiting > 0) this.#stirred = true;
      if (this.#stirred) await this.settle();
    }
    clock.truth = Math.max(clock.truth, until);
  }

  /** Everything that the daemon does at this moment is done: it waits for the world. */
  async settle(): Promise<void> {
    for (let round = 0; ; round++) {
      this.#stirred = false;
      // A module that is loaded late takes real time.
      await (round < MANY ? breathe() : sleep(1));
      if (this.#isStill() && !this.#stirred) break;
      if (round > 20 * MANY) throw new Error(`a flight hangs: ${this.#restless()}`);
    }
    const timers = this.clock.pending - this.waiting;
    this.tally.peak("timers beside those of waiting callers", timers);
    const limits = this.#limitsOfRequests();
    if (timers > 1 + limits) {
      this.violation(
        `${timers} timers, ${limits} of requests, and ${this.waiting} callers that wait`,
      );
    }
  }

  /** Most timers that requests under way have: each its limit, and one that may take long its slot. */
  #limitsOfRequests(): number {
    let most = 0;
    for (const { underWay } of this.hosts) most += underWay;
    for (const accounts of this.#flying.values()) {
      for (const { kind } of accounts) if (kind.rotates) most++;
    }
    return most;
  }

  /** Something happened that the daemon now thinks about. */
  stir(): void {
    this.#stirred = true;
    this.#idleRings = 0;
  }

  /** The timer may ring for nothing now and then, but not without end. */
  #rang(): void {
    if (this.#idleRings === 0) this.#idleSince = this.clock.truth;
    if (this.#stirred) return;
    if (++this.#idleRings < IDLE_RINGS) return;
    const took = this.clock.truth - this.#idleSince;
    if (took < SECOND) {
      this.violation(`${IDLE_RINGS} rings in ${took.toFixed(1)} ms, and nothing was done`);
    }
    this.#idleRings = 0;
  }

  #heard(event: EventPayload): void {
    if (event.kind !== "state") return;
    this.#idleRings = 0;
    const account = this.#byName.get(event.credential ?? "")!;
    let flying = this.#flying.get(account.host);
    if (!flying) {
      flying = new Set();
      this.#flying.set(account.host, flying);
    }
    if (event.state === "refreshing") {
      flying.add(account);
      this.stir();
    } else flying.delete(account);
  }

  #isStill(): boolean {
    return this.#restless() === undefined;
  }

  /** One that has a flight which waits for nothing that we know of. */
  #restless(): string | undefined {
    if (!this.daemon) return undefined;
    for (const [host, accounts] of this.#flying) {
      const restless = host.inFlight < LANES ? this.#restlessAt(host, accounts) : undefined;
      if (restless !== undefined) return restless;
    }
    return undefined;
  }

  #restlessAt(host: Host, accounts: Iterable<Account>): string | undefined {
    let lanes = host.inFlight;
    let restless: string | undefined;
    for (const account of accounts) {
      const writes = this.disk.pending(account.name);
      // A rotated refresh token is sealed before its lane is free.
      if (account.kind.rotates && writes > 0) lanes++;
      const flights = this.credential(account).pendingRefreshes;
      const needed = account.kind.rotates ? Math.min(1, flights) : flights;
      if (account.inFlight + writes < needed) restless = account.name;
    }
    return lanes < LANES ? restless : undefined;
  }

  violation(text: string): void {
    this.tally.violation(this.clock.truth, text);
  }

  // ---- what callers get ----

  /** A token was handed out: is it one, for what was asked, and is it still good? */
  served(account: Account, issued: IssuedToken, scope: string): void {
    const { truth: now, wallAhead } = this.clock;
    this.tally.count("tokens served");
    account.held = issued.accessToken;
    if (account.kind.grant === "static") return;
    const truth = account.tokens.get(issued.accessToken);
    const who = `${account.name} (${account.kind.name})`;
    if (!truth) {
      this.violation(`${who}: served a token that was never issued`);
      return;
    }
    if (truth.variant !== scope) this.violation(`${who}: served ${truth.variant} for ${scope}`);
    const lied = this.lied(truth);
    if (lied > 0 && now >= truth.until) this.tally.count("tokens served late as the clock lied");
    const late = now - truth.until - truth.within - lied;
    if (late >= 0) {
      const clock = `wall ${wallAhead} ahead, then ${truth.wallAhead}`;
      this.violation(`${who}: served ${Math.round(late)} ms after its end (${clock})`);
    }
  }

  /**
   * After a restart of the machine its wall clock alone tells the age of a token, and it may have
   * been set back: by so much (ms) the age is told too low.
   */
  lied({ bootId, wallAhead }: Truth): number {
    return bootId === this.clock.bootId ? 0 : Math.max(0, wallAhead - this.#leastAhead);
  }

  /** Whether the account has a token that the daemon must know to be good for a moment still. */
  hasGood(account: Account, scope: string): boolean {
    const { truth: now, bootId } = this.clock;
    // What came with another refresh token is nobody's before that is sealed.
    const isSealing = account.kind.rotates && this.disk.pending(account.name) > 0;
    const unsealed = isSealing ? account.track(scope).token : undefined;
    for (const [text, token] of account.tokens) {
      if (token.variant !== scope || token.bootId !== bootId || text === unsealed) continue;
      // A daemon that was killed, or could not write, took it along.
      if (token.bornAt < this.network.turns.startedAt && !account.found.has(text)) continue;
      const until = Math.min(token.until, account.track(scope).told) - token.within * 2;
      if (until > now + 300 && token.bornAt >= account.mendedAt) return true;
    }
    return false;
  }
}
