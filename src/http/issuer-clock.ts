/**
 * Learns the clocks of issuers from the `Date` of their responses. A `Date` may be stale (some servers repeat
 * the moment at which the connection was opened) but is never ahead: it is always a lower bound, and an upper
 * bound only where it can't be stale.
 */

import type { Moment, Timekeeper } from "../base/timekeeper.ts";
import type { IssuerTime } from "../grants/grant.ts";
import type { ClockComparison } from "../protocol.ts";
import type { HttpResponse } from "./http.ts";

/** A `Date` is cut to whole seconds, and servers keep its text for up to a second (ms). */
const GRANULARITY_MS = 2_000;
/** A local clock this little ahead of what the issuer's can be is trusted: tokens end early by it, not late. */
const SLIGHTLY_AHEAD_MS = 1_000;
/** A `Date` this far from the local clock is checked with a new connection. */
const APART_MS = 5_000;
/** A response that took longer (the machine may have slept) says too little about when its `Date` was written. */
const MAX_RESPONSE_TIME_MS = 10_000;
/** Issuers remembered at once; the least recently used one is forgotten. */
const MAX_ISSUERS = 1_000;

/** An issuer's wall clock minus this machine's boot time (ms): steps of the local wall clock don't move it. */
interface Offset {
  earliest: number;
  /** Infinity: learned from a `Date` that may be stale. */
  latest: number;
  /** The largest that any `Date` gave, as if its issuer had answered at once; -Infinity: learned as above. */
  largest: number;
}

interface Issuer {
  /** Undefined until a `Date` counts (see `#counts`). */
  offset: Offset | undefined;
  /** An offset behind the known one: the clock was set back, if a second `Date` agrees. */
  doubted: { offset: Offset; seenAtBoot: number } | undefined;
  /** The last `Date` and the local clock were apart: a new connection tells which of them is right. */
  isApart: boolean;
}

/** A connection's first response that counts. */
interface Reference {
  date: number;
  /** Boot time, ms. */
  boot: number;
}

/** Keeps the offset of each issuer, by the origin of its URL, in memory. */
export class IssuerClocks {
  readonly #time: Pick<Timekeeper, "now">;
  readonly #issuers = new Map<string, Issuer>();
  readonly #references = new WeakMap<object, Reference>();
  /** Boot time (ms) at which each connection's first request was sent. */
  readonly #openedAtBoot = new WeakMap<object, number>();

  constructor(time: Pick<Timekeeper, "now">) {
    this.#time = time;
  }

  now(): Moment {
    return this.#time.now();
  }

  /** True if the next request should open a connection, whose `Date` can't be stale. */
  wantsFreshConnection(origin: string): boolean {
    return this.#issuers.get(origin)?.isApart === true;
  }

  /** Compares the local clock with every issuer's whose time is known. */
  compare(): ClockComparison {
    const { wall, boot } = this.#time.now();
    const comparison: ClockComparison = { issuers: 0 };
    for (const [issuer, { offset }] of this.#issuers) {
      if (!offset || !Number.isFinite(offset.latest)) continue;
      comparison.issuers++;
      const aheadMs = Math.round(outside(wall - boot, offset));
      if (Math.abs(aheadMs) < APART_MS) continue;
      if (Math.abs(aheadMs) <= Math.abs(comparison.apart?.aheadMs ?? 0)) continue;
      comparison.apart = { issuer, aheadMs };
    }
    return comparison;
  }

  /** Records a response's `Date`; returns the issuer's time at `sent`, undefined if it has never sent one. */
  observe(
    origin: string,
    { headers, connection, reused }: Pick<HttpResponse, "headers" | "connection" | "reused">,
    sent: Moment,
  ): IssuerTime | undefined {
    if (!reused) this.#openedAtBoot.set(connection, sent.boot);
    const date = Date.parse(String(headers.date ?? ""));
    const issuer = this.#issuers.get(origin);
    if (Number.isNaN(date)) return issuer?.offset && timeAt(issuer.offset, sent);
    const answered = this.#time.now();
    const counts = this.#counts(connection, reused, date, answered);
    const known = issuer ?? { offset: undefined, doubted: undefined, isApart: false };
    known.isApart = date < sent.wall - APART_MS || date > answered.wall + APART_MS;
    const earliest = date - answered.boot;
    // A `Date` that repeats the moment at which its connection was opened is no older than that connection. Where
    // nothing better is known, this keeps a local clock that is far ahead from being taken for right.
    const openedAtBoot = known.offset ? undefined : this.#openedAtBoot.get(connection);
    const writtenAfterBoot = counts ? sent.boot : openedAtBoot;
    const seen =
      writtenAfterBoot === undefined
        ? atLeast(earliest)
        : between(date, writtenAfterBoot, earliest);
    const isQuick = answered.boot - sent.boot <= MAX_RESPONSE_TIME_MS;
    if (counts && isQuick) narrow(known, seen, answered);
    else if (known.offset) narrow(known, atLeast(earliest), answered);
    this.#remember(origin, known);
    const { offset = seen } = known;
    return timeAt(overlap(offset, seen) ? intersection(offset, seen) : offset, sent);
  }

  /** True if this `Date` is a connection's first, or has advanced with our clock since that. */
  #counts(connection: object, reused: boolean, date: number, { boot }: Moment): boolean {
    if (!reused) {
      this.#references.set(connection, { date, boot });
      return true;
    }
    const first = this.#references.get(connection);
    if (first === undefined) {
      // The connection carried other requests before.
      this.#references.set(connection, { date, boot });
      return false;
    }
    const elapsed = boot - first.boot;
    // Within the first seconds a `Date` that stands still looks like one that is cut.
    return elapsed > APART_MS && date - first.date >= elapsed - GRANULARITY_MS;
  }

  #remember(origin: string, issuer: Issuer): void {
    this.#issuers.delete(origin);
    this.#issuers.set(origin, issuer);
    if (this.#issuers.size <= MAX_ISSUERS) return;
    for (const oldest of this.#issuers.keys()) {
      this.#issuers.delete(oldest);
      break;
    }
  }
}

/**
 * Narrows an issuer's offset by one that was `seen`. A later clock counts at once, as no `Date` is ahead. A
 * clock that was set back counts if the local clock agrees with it, or a second `Date` does, at least 5 s
 * later, as then the first one did not stand still.
 */
function narrow(issuer: Issuer, seen: Offset, now: Moment): void {
  const { offset, doubted } = issuer;
  if (offset === undefined || seen.earliest > offset.latest) {
    Object.assign(issuer, { offset: seen, doubted: undefined });
  } else if (seen.latest >= offset.earliest) {
    issuer.offset = intersection(offset, seen);
    if (Number.isFinite(seen.latest)) issuer.doubted = undefined;
  } else if (isWithin(now.wall - now.boot, seen)) {
    Object.assign(issuer, { offset: seen, doubted: undefined });
  } else if (!doubted || !overlap(doubted.offset, seen)) {
    issuer.doubted = { offset: seen, seenAtBoot: now.boot };
  } else if (now.boot - doubted.seenAtBoot >= APART_MS) {
    Object.assign(issuer, { offset: intersection(doubted.offset, seen), doubted: undefined });
  }
}

/** Returns the offset that a `Date` gives which was written after `writtenAfterBoot`. */
function between(date: number, writtenAfterBoot: number, earliest: number): Offset {
  const largest = date - writtenAfterBoot;
  return { earliest, latest: largest + GRANULARITY_MS, largest };
}

/** Returns the offset that a `Date` gives which may be stale. */
function atLeast(earliest: number): Offset {
  return { earliest, latest: Number.POSITIVE_INFINITY, largest: Number.NEGATIVE_INFINITY };
}

/**
 * Returns the issuer's time at a local moment. The local clock counts wherever it can be right; otherwise the
 * largest offset, so that no token is used longer than it lives.
 */
function timeAt(offset: Offset, { wall, boot }: Moment): IssuerTime {
  const earliest = offset.earliest + boot;
  const local = wall - boot;
  if (local >= offset.earliest && local <= offset.latest + SLIGHTLY_AHEAD_MS) {
    return { earliest, assumed: wall };
  }
  const assumed = Math.max(offset.earliest, Math.min(offset.largest, offset.latest));
  return { earliest, assumed: assumed + boot };
}

/** Returns how far `value` lies above (positive) or below what is known. */
function outside(value: number, { earliest, latest }: Offset): number {
  return value > latest ? value - latest : Math.min(0, value - earliest);
}

function isWithin(value: number, { earliest, latest }: Offset): boolean {
  return value >= earliest && value <= latest;
}

function overlap(one: Offset, other: Offset): boolean {
  return one.earliest <= other.latest && other.earliest <= one.latest;
}

function intersection(one: Offset, other: Offset): Offset {
  return {
    earliest: Math.max(one.earliest, other.earliest),
    latest: Math.min(one.latest, other.latest),
    largest: Math.max(one.largest, other.largest),
  };
}
