/** The issuers: hosts with faults and clocks of their own, and the accounts that they know. */
import { omitUndefined } from "../../src/base/omit-undefined.ts";
import type { CredentialSettings } from "../../src/config/settings.ts";
import { EPOCH } from "./clock.ts";
import type { Outage } from "./faults.ts";
import { createTrack, type Told, type Track } from "./judge.ts";
import type { Kind } from "./population.ts";
import type { Random } from "./random.ts";

/** So many tokens of each scope are remembered: the daemon may find an old one again. */
const REMEMBERED = 40;

/** What is true of a token, whatever the daemon thinks. */
export interface Truth {
  variant: string;
  bornAt: number;
  /** The issuer takes it until then. */
  until: number;
  /** What rounding and two clocks may put between that and what can be known of it, ms. */
  within: number;
  /** How far ahead the machine's wall clock was when it was asked for, and in which boot that was. */
  wallAhead: number;
  bootId: string;
}

/** A session: refresh tokens, each the successor of the one before. */
export interface Family {
  current: string;
  previous: string | undefined;
  rotatedAt: number;
  until: number;
  revoked: boolean;
  /** Why its end would be nobody's fault here. */
  excuse: string | undefined;
  /** The newest that the daemon got to know: the only one that it may spend, */
  known: string;
  /** but for the one that brought it, once, if it is refused. */
  parent: string | undefined;
  before: string | undefined;
}

/** What a person is just entering, and the session that it begins. */
export interface Entering {
  secret: string;
  family: Family | undefined;
}

export class Host {
  readonly name: string;
  /** By how much its clock is ahead. */
  readonly skew: number;
  readonly faults: Outage[];
  /** Its `Date` is the moment at which the connection was opened. */
  readonly repeatsDate: boolean;
  /** Requests under way. */
  underWay = 0;
  /** Those of them that may hold one of its slots, and those that do so for sure. */
  inFlight = 0;
  inSlots = 0;
  accounts = 0;
  /** This daemon has seen a `Date` of it that can't be stale. */
  clockTold = false;
  /** When it last answered, and when a request last came to nothing. */
  answeredAt = Number.NEGATIVE_INFINITY;
  failedAt = Number.NEGATIVE_INFINITY;
  /** Tokens from before that are no good any more. */
  revokedAt = Number.NEGATIVE_INFINITY;
  /** Its API answers 401 to everything until then. */
  apiBrokenUntil = 0;
  #at = 0;

  constructor(name: string, skew: number, faults: Outage[], repeatsDate = false) {
    this.name = name;
    this.skew = skew;
    this.faults = faults;
    this.repeatsDate = repeatsDate;
  }

  /** The outage of now. */
  outage(now: number): Outage | undefined {
    while (this.#at < this.faults.length && this.faults[this.#at]!.until <= now) this.#at++;
    const next = this.faults[this.#at];
    return next && next.from <= now ? next : undefined;
  }

  /** Nothing is under way: the process that had sent it is gone. */
  reset(): void {
    Object.assign(this, { underWay: 0, inFlight: 0, inSlots: 0, clockTold: false });
  }

  /** When the last outage ended; -Infinity: there was none. */
  get healthySince(): number {
    return this.faults[this.#at - 1]?.until ?? Number.NEGATIVE_INFINITY;
  }
}

export class Account {
  readonly name: string;
  readonly kind: Kind;
  readonly host: Host;
  readonly settings: CredentialSettings;
  readonly tracks = new Map<string, Track>();
  readonly tokens = new Map<string, Truth>();
  family: Family | undefined;
  /** Its secret is no good: a person must enter another. */
  wrongSecret = false;
  /** A person has been told. */
  mending = false;
  /** When a person last entered a secret. */
  mendedAt = Number.NEGATIVE_INFINITY;
  entering: Entering | undefined;
  /** The tokens that the daemon found when it started. */
  found: ReadonlySet<string> = new Set();
  /** The refresh token that is on the disk for sure. */
  synced: string | undefined;
  inFlight = 0;
  /** Refresh tokens whose requests can still be answered. */
  readonly unanswered = new Set<string>();
  /** 401s in a row of its API, and when the next one may bring a renewal. */
  rejections = 0;
  rejectionHold = Number.NEGATIVE_INFINITY;
  /** The last token that each program got. */
  held: string | undefined;
  serial = 0;
  sticky: { token: string; until: number } | undefined;

  constructor(name: string, kind: Kind, host: Host, settings: CredentialSettings) {
    this.name = name;
    this.kind = kind;
    this.host = host;
    this.settings = settings;
    host.accounts++;
    if (kind.rotates) this.family = this.newFamily(0);
  }

  track(variant: string): Track {
    const known = this.tracks.get(variant);
    if (known) return known;
    const track = createTrack();
    this.tracks.set(variant, track);
    return track;
  }

  /** A token came. Each scope by itself: one renewed often must not push out the only one of another. */
  remember(text: string, truth: Truth): void {
    this.tokens.set(text, truth);
    if (this.tokens.size <= REMEMBERED) return;
    const same = [...this.tokens].filter(([, { variant }]) => variant === truth.variant);
    if (same.length > REMEMBERED) this.tokens.delete(same[0]![0]);
  }

  /** A person's new secret is in force. */
  enter({ family }: Entering, now: number): void {
    this.family = family;
    this.wrongSecret = false;
    this.mending = false;
    this.mendedAt = now;
    const never = Number.NEGATIVE_INFINITY;
    for (const track of this.tracks.values()) {
      Object.assign(track, { personAt: now, told: never });
      if (track.state === "refused") track.state = "failing";
      // What is under way with the secret before does not count, not even if it was sent just now.
      if (track.flying) Object.assign(track, { flying: false, sentAt: never });
    }
    this.forgetFailures();
  }

  /** What the daemon keeps in memory only is gone. */
  forgetFailures(): void {
    const never = Number.NEGATIVE_INFINITY;
    Object.assign(this, { rejections: 0, rejectionHold: never });
    for (const track of this.tracks.values()) {
      Object.assign(track, { failures: 0, young: 0, forceHold: never });
    }
  }

  /** What was only written, and not synced, may be gone. */
  lostPower(): void {
    if (this.family && this.synced !== this.family.known) {
      this.family.excuse ??= "power cut between answer and disk";
    }
  }

  newFamily(now: number): Family {
    const current = `refresh-${this.name}-${++this.serial}`;
    return {
      current,
      previous: undefined,
      rotatedAt: now,
      until: now + (this.kind.rotates?.lifetime ?? Number.POSITIVE_INFINITY) * 1_000,
      revoked: false,
      excuse: undefined,
      known: current,
      parent: undefined,
      before: undefined,
    };
  }
}

/** What an issuer that works answers. */
export interface Answer {
  status: number;
  headers: Record<string, string>;
  text: string;
  token?: { text: string; truth: Omit<Truth, "wallAhead" | "bootId">; told: Told };
  /** The refresh token that came along. */
  successor?: string;
}

export interface Asked {
  account: Account;
  variant: string;
  refreshToken: string | undefined;
  now: number;
}

/** Does what was asked: rotates, remembers, and says what a caller would hear. */
export function answerOf(asked: Asked, random: Random): Answer {
  const { account, now, refreshToken } = asked;
  const json = { "content-type": "application/json" };
  if (account.wrongSecret) {
    return { status: 401, headers: json, text: '{"error":"invalid_client"}' };
  }
  const { family } = account;
  if (family && !spend(account, family, refreshToken, now)) {
    return { status: 400, headers: json, text: '{"error":"invalid_grant"}' };
  }
  return { ...grantToken(asked, random), ...(family ? { successor: family.current } : {}) };
}

/** Whether the session goes on; a token that was spent before ends it, but for the grace. */
function spend(account: Account, family: Family, token: string | undefined, now: number): boolean {
  if (family.revoked) return false;
  if (now >= family.until) {
    family.revoked = true;
    return false;
  }
  const grace = account.kind.rotates?.grace ?? 0;
  const forgiven = token === family.previous && now - family.rotatedAt <= grace;
  if (token !== family.current && !forgiven) {
    family.revoked = true;
    return false;
  }
  if (token === family.current) {
    family.previous = token;
    family.rotatedAt = now;
  }
  family.current = `refresh-${account.name}-${++account.serial}`;
  family.until = now + (account.kind.rotates?.lifetime ?? Number.POSITIVE_INFINITY) * 1_000;
  return true;
}

function grantToken({ account, variant, now }: Asked, random: Random): Answer {
  const { kind, host } = account;
  const lifetime = kind.lifetime * 1_000;
  const issuerNow = EPOCH + now + host.skew;
  const date = new Date(issuerNow).toUTCString();
  const session = kind.rotates?.lifetime;
  const told: Told = {
    lifetime,
    within: 0,
    assumed: false,
    ...omitUndefined({
      refreshIn: kind.refreshIn && kind.refreshIn * 1_000,
      session: session && session * 1_000,
    }),
  };
  const base = { variant, bornAt: now, until: now + lifetime, within: 0 };
  const id = `${account.name}-${++account.serial}-${Math.floor(random.next() * 1e9)}`;
  const members = {
    token_type: "bearer",
    ...omitUndefined({
      refresh_in: kind.refreshIn,
      refresh_expires_in: session,
      refresh_token: account.family?.current,
    }),
  };
  const inJson = (access_token: string, more: object) => ({
    status: 200,
    headers: { "content-type": "application/json", date },
    text: JSON.stringify({ access_token, ...members, ...more }),
  });
  if (kind.sticky) {
    if (!account.sticky || account.sticky.until <= now + 1_000) {
      account.sticky = { token: `token-${id}`, until: now + lifetime };
    }
    const { token, until } = account.sticky;
    const left = Math.floor((until - now) / 1_000);
    const truth = { ...base, until };
    return {
      ...inJson(token, { expires_in: left }),
      token: { text: token, truth, told: { ...told, lifetime: left * 1_000 } },
    };
  }
  switch (kind.telling) {
    case "jwt with Date":
    case "jwt with iat":
    case "both": {
      const exp = Math.floor((issuerNow + lifetime) / 1_000);
      const iat = Math.floor(issuerNow / 1_000);
      const text = jwt({
        exp,
        jti: id,
        ...omitUndefined({ iat: kind.telling === "jwt with iat" ? iat : undefined }),
      });
      const until = exp * 1_000 - host.skew - EPOCH;
      // Two clocks that agree within 2 s agree as far as can be told; Date and iat are whole seconds.
      const within = 3_000;
      const token = { text, truth: { ...base, until, within }, told: { ...told, within: 5_000 } };
      if (kind.grant === "exchange") {
        return { status: 200, headers: { "content-type": "text/plain" }, text, token };
      }
      const more = kind.telling === "both" ? { expires_in: kind.lifetime * 1.2 } : {};
      return { ...inJson(text, more), token };
    }
    case "ttl": {
      const text = `token-${id}`;
      const headers = { "content-type": "text/plain" };
      return { status: 200, headers, text, token: { text, truth: base, told } };
    }
    case "no": {
      const text = `token-${id}`;
      const truth = { ...base, until: Number.POSITIVE_INFINITY };
      const assumed = { ...told, lifetime: 3_600_000, assumed: true };
      return { ...inJson(text, {}), token: { text, truth, told: assumed } };
    }
    default: {
      const text = `token-${id}`;
      const expires_in = kind.telling === "string" ? String(kind.lifetime) : kind.lifetime;
      return { ...inJson(text, { expires_in }), token: { text, truth: base, told } };
    }
  }
}

function jwt(claims: object): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "none" })}.${part(claims)}.c2ln`;
}
