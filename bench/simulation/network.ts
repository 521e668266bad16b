/** What the daemon takes for the network: every request reaches a simulated issuer, or does not. */
import { Readable } from "node:stream";
import {
  type Http,
  HttpFailure,
  type HttpRequest,
  type HttpResponse,
} from "../../src/http/http.ts";
import { EPOCH, type SimulatedClock } from "./clock.ts";
import { type Connection, Connections } from "./connections.ts";
import { FAULTS, type Fault, type FaultName, GIVEN_UP, MINUTE, SECOND } from "./faults.ts";
import {
  type Account,
  type Answer,
  answerOf,
  type Family,
  type Host,
  type Truth,
} from "./issuer.ts";
import {
  brought,
  complaint,
  failed,
  forced,
  refused,
  sent,
  type Track,
  type Turns,
} from "./judge.ts";
import type { Random } from "./random.ts";
import type { Tally } from "./tally.ts";

const LANES = 4;
/** A request that spends a refresh token holds a slot for ten seconds: so long for sure, and no longer than that. */
const SLOT_SURE = 9.9 * SECOND;
const SLOT_LEFT = 10.1 * SECOND;
/** Of all requests, so many meet a fault that nobody announced. */
const SINGLE_FAULTS = 0.003;
const SINGLE: readonly FaultName[] = [
  "reset",
  "silent",
  "slow",
  "half",
  "gateway",
  "error",
  "refused",
];

export interface Network {
  clock: SimulatedClock;
  random: Random;
  tally: Tally;
  turns: Turns;
  accounts: ReadonlyMap<string, Account>;
  /** When the machine last slept, was off, or had no network. */
  troubleAt: number;
  /** Nothing is reached until then. */
  offlineUntil: number;
  /** Something happened that the daemon now thinks about. */
  stir: () => void;
  /** The issuer refuses what a person entered. */
  onRefused: (account: Account) => void;
}

interface Sent {
  account: Account;
  track: Track;
  variant: string;
  refreshToken: string | undefined;
  fault: Fault | undefined;
  /** What the issuer did, whether or not it is heard. */
  answer: Answer | undefined;
  retryAfter: number;
  /** It is sent again at once, as the answer before was lost. */
  isRetry: boolean;
  /** When its secret had been entered. */
  mendedAt: number;
  /** The machine's clocks when it was sent: a token's age counts from then. */
  clocks: Pick<Truth, "wallAhead" | "bootId">;
}

/** What carries a request and its answer. */
interface Carrier {
  connection: Connection;
  reused: boolean;
  /** A whole answer came: the connection can be used again. */
  done: () => void;
}

/** The network of one daemon; `alive` says whether that one still runs. */
export function connectTo(network: Network, alive: () => boolean): Http {
  const { clock, random } = network;
  const connections = new Connections();
  return (request) =>
    new Promise((resolve, reject) => {
      const now = clock.truth;
      const one = receive(network, request, now);
      const { account } = one;
      const fresh = request.freshConnection === true;
      const taken = connections.take(account.host, now, fresh);
      if (taken.reused) network.tally.count("requests on a kept-alive connection");
      const done = () => {
        if (!fresh) connections.keep(account.host, taken.connection, clock.truth);
      };
      const leave = enter(network, one);
      network.stir();
      let isOver = false;
      const end = (fault: Fault | undefined) => {
        if (isOver || !alive()) return;
        isOver = true;
        leave();
        network.stir();
        one.fault = fault;
        hear(network, one, taken);
        respond(network, one, { ...taken, done }, resolve, reject);
      };
      request.signal?.addEventListener("abort", () => end(GIVEN_UP), { once: true });
      const after = delayOf(one, random);
      if (Number.isFinite(after)) {
        clock.at(now + after, () => end(one.fault?.late ? undefined : one.fault));
      }
    });
}

/** A request is on its way; what this returns is called when it is no more. */
function enter({ clock, tally }: Network, one: Sent): () => void {
  const { account, refreshToken, isRetry } = one;
  const { host, unanswered, name, kind } = account;
  if (refreshToken !== undefined && unanswered.has(refreshToken)) {
    tally.violation(clock.truth, `${name}: ${refreshToken} again, while it can still be answered`);
  }
  if (refreshToken !== undefined) unanswered.add(refreshToken);
  account.inFlight++;
  host.underWay++;
  host.inFlight++;
  // The one retry after a lost answer is sent at once: issuers' graces are short.
  const held = { inSlots: !isRetry, inFlight: true };
  if (held.inSlots && ++host.inSlots > LANES) {
    tally.violation(clock.truth, `${host.name}: ${host.inSlots} at once`);
  }
  tally.peak("flights of a host at once", host.inFlight);
  tally.peak("requests to a host under way", host.underWay);
  let isOver = false;
  const leaveSlot = (which: "inSlots" | "inFlight") => {
    if (held[which]) host[which]--;
    held[which] = false;
  };
  if (kind.rotates) {
    clock.afterAwake(SLOT_SURE, () => {
      if (!isOver) host.failedAt = clock.truth;
      leaveSlot("inSlots");
    });
    clock.afterAwake(SLOT_LEFT, () => leaveSlot("inFlight"));
  }
  return () => {
    isOver = true;
    leaveSlot("inSlots");
    leaveSlot("inFlight");
    account.inFlight--;
    host.underWay--;
    if (refreshToken !== undefined) unanswered.delete(refreshToken);
  };
}

/** Until what happens to a request is known, ms. */
function delayOf({ fault }: Sent, random: Random): number {
  if (fault?.late) return fault.after * random.between(0.1, 1);
  if (fault) return fault.after * random.between(0.9, 1);
  return random.chance(0.01) ? random.between(500, 2_000) : random.between(20, 300);
}

function receive(network: Network, request: HttpRequest, now: number): Sent {
  const { random, tally } = network;
  const account = network.accounts.get(new URL(request.url).pathname.split("/")[1]!)!;
  const form = new URLSearchParams(String(request.body ?? ""));
  const variant = form.get("scope") ?? "";
  const refreshToken = form.get("refresh_token") ?? undefined;
  takeEffect(account, request, now);
  const track = account.track(variant);
  const isRetry = track.again;
  const wrong = complaint(track, now, network.turns);
  if (wrong) tally.violation(now, `${account.name} (${account.kind.name}) ${variant}: ${wrong}`);
  sent(track, now, network.turns);
  checkSpending(network, account, refreshToken, now);
  tally.count("requests to issuers");
  const name = faultOf(network, account.host, now);
  const fault = name && FAULTS[name];
  if (name) tally.count(`fault: ${name}`);
  const processed = !fault || random.chance(fault.processed);
  const answer = processed ? answerOf({ account, variant, refreshToken, now }, random) : undefined;
  const retryAfter = fault && "answers" in fault && fault.answers ? patience(fault, random) : 0;
  const { mendedAt } = account;
  const { wallAhead, bootId } = network.clock;
  const clocks = { wallAhead, bootId };
  const asked = { account, track, variant, refreshToken, isRetry };
  return { ...asked, fault, answer, retryAfter, mendedAt, clocks };
}

/** A request that waited for its turn may bring a new secret in the very moment before its person hears of it. */
function takeEffect(account: Account, { headers, body }: HttpRequest, now: number): void {
  const { entering } = account;
  if (!entering) return;
  const [, basic = ""] = /^Basic (.+)$/.exec(headers?.authorization ?? "") ?? [];
  const sent = `${body ?? ""} ${Buffer.from(basic, "base64")}`;
  if (!sent.includes(entering.secret)) return;
  account.entering = undefined;
  account.enter(entering, now);
}

function faultOf(network: Network, host: Host, now: number): FaultName | undefined {
  if (network.offlineUntil > now) return "unresolvable";
  const { random } = network;
  const outage = host.outage(now);
  return outage?.fault ?? (random.chance(SINGLE_FAULTS) ? random.pick(SINGLE) : undefined);
}

/** What Retry-After says, ms: whole seconds. */
function patience({ answers }: Fault, random: Random): number {
  if (!answers?.retryAfter) return 0;
  return Math.ceil(random.chance(0.2) ? random.between(1, 5_400) : random.between(1, 90)) * SECOND;
}

/** A refresh token that was spent and answered is never spent again, and none is forgotten. */
function checkSpending(
  { tally }: Network,
  { family, name }: Account,
  token: string | undefined,
  now: number,
): void {
  if (!family) return;
  if (token === family.known) return;
  if (token !== undefined && token === family.before) {
    family.before = undefined;
    tally.count("sessions: the refresh token before was tried");
    return;
  }
  tally.violation(now, `${name}: spent ${token}, but was given ${family.known}`);
}

/** The news is there: what the rules make of it. */
function hear(network: Network, one: Sent, { connection, reused }: Omit<Carrier, "done">): void {
  const { account, track, fault, answer } = one;
  const { truth: now } = network.clock;
  const { host } = account;
  // Until a `Date` can't be stale, a token may be taken to live less, by the age of its connection.
  const unsureMs = reused && !host.clockTold ? now - connection.openedAt : 0;
  if (!reused && answer?.headers.date) host.clockTold = true;
  account.host[fault ? "failedAt" : "answeredAt"] = now;
  const heard = fault ? undefined : answer?.token;
  if (heard) {
    account.remember(heard.text, { ...heard.truth, ...one.clocks });
    network.tally.count("tokens obtained");
  }
  // A person entered another secret meanwhile: nothing follows from what became of the old one.
  if (one.mendedAt !== account.mendedAt) return;
  if (fault) hearFault(network, one, fault);
  else if (heard) {
    brought(track, now, { ...heard.told, within: heard.told.within + unsureMs });
    track.token = heard.text;
    if (answer?.successor && account.family) learn(account.family, one, answer.successor);
  } else refuse(network, one);
}

function hearFault(
  network: Network,
  { account, track, answer, retryAfter }: Sent,
  fault: Fault,
): void {
  const { lost, blocked = false, lasting = false } = fault;
  const token = track.token ?? "";
  const held =
    (account.tokens.get(token)?.bornAt ?? -1) >= network.turns.startedAt ||
    account.found.has(token);
  const rotates = account.family !== undefined;
  const share = callersShare(fault);
  failed(track, network.clock.truth, { lost, share, blocked, lasting, retryAfter, rotates, held });
  if (answer?.successor && account.family) account.family.excuse = "its answer was lost";
}

/** The sooner, the less likely it is that the issuer has looked at what was sent. */
function callersShare({ lost, lasting, breaks, answers }: Fault): number {
  if (breaks && !breaks.sent) return 0;
  if (lasting) return 1 / 2;
  return lost || answers?.status === 429 || answers?.status === 503 ? 1 / 8 : 1 / 2;
}

function learn(family: NonNullable<Account["family"]>, one: Sent, successor: string): void {
  family.before = undefined;
  family.known = successor;
  family.excuse = undefined;
  // It never worked yet: if it is refused, the one that was spent may be tried.
  family.parent = one.refreshToken;
}

function refuse({ clock, tally, troubleAt, onRefused }: Network, one: Sent): void {
  const { account, track, refreshToken } = one;
  const { family } = account;
  refused(track, clock.truth, family !== undefined);
  // A refusal of another scope stops that scope; whether the secrets are good its own scope tells.
  const isOwn = track === account.track("");
  for (const other of account.tracks.values()) {
    if (isOwn && other !== track && other.state !== "new" && !other.flying) other.state = "refused";
  }
  // Whether the secrets are good is found out with a request for the credential's own scope.
  if (!isOwn) forced(account.track(""), clock.truth);
  if (family && !account.wrongSecret) {
    if (refreshToken === family.known) family.before = family.parent;
    family.excuse ??= ranOut(family, one.account, troubleAt)
      ? "it ran out in a bad time"
      : undefined;
    if (family.excuse) tally.count(`sessions lost: ${family.excuse}`);
    else tally.violation(clock.truth, `${account.name}: its session was lost without need`);
    family.excuse = "it was lost before";
  }
  onRefused(account);
}

/** A session that could not be renewed in time: the machine slept, or the issuer was not to be had. */
function ranOut(family: Family, { host, kind, tracks }: Account, troubleAt: number): boolean {
  const lifetime = (kind.rotates?.lifetime ?? 0) * SECOND;
  const wanted = family.until - lifetime / 4 - 10 * MINUTE;
  const failures = [...tracks.values()].some(({ failures }) => failures > 0);
  return failures || Math.max(troubleAt, host.healthySince) >= wanted;
}

function respond(
  { clock }: Network,
  { account, fault, answer, retryAfter }: Sent,
  carrier: Carrier,
  resolve: (response: HttpResponse) => void,
  reject: (error: Error) => void,
): void {
  const { breaks, answers } = fault ?? {};
  const { host } = account;
  const shown = host.repeatsDate ? carrier.connection.openedAt : clock.truth;
  const date = new Date(EPOCH + shown + host.skew).toUTCString();
  const reply = (status: number, headers: Record<string, string>, body: Readable) => {
    const { connection, reused } = carrier;
    return { status, statusText: "", headers, body, connection, reused };
  };
  if (breaks && !breaks.half) {
    reject(new HttpFailure(breaks.code, { code: breaks.code, sent: breaks.sent }));
    return;
  }
  if (breaks) {
    resolve(
      reply(200, { "content-type": "application/json" }, halfOf(answer?.text ?? "{", breaks)),
    );
    return;
  }
  carrier.done();
  if (!answers) {
    const { status, headers, text } = answer!;
    resolve(reply(status, headers.date ? { ...headers, date } : headers, whole(text)));
    return;
  }
  const issuerNow = EPOCH + clock.truth + host.skew;
  const headers: Record<string, string> = {
    "content-type": answers.type ?? "application/json",
    date,
    ...(answers.status === 302 ? { location: "https://login.example/" } : {}),
  };
  if (answers.retryAfter === "seconds") headers["retry-after"] = String(retryAfter / SECOND);
  if (answers.retryAfter === "date") {
    const floored = Math.floor(issuerNow / SECOND) * SECOND;
    headers["retry-after"] = new Date(floored + retryAfter).toUTCString();
  }
  resolve(reply(answers.status, headers, whole(answers.text ?? "{}")));
}

function whole(text: string): Readable {
  return Readable.from([Buffer.from(text)]);
}

function halfOf(text: string, { code, sent }: { code: string; sent: boolean }): Readable {
  const half = Buffer.from(text.slice(0, text.length / 2));
  const broken = (async function* () {
    yield half;
    throw new HttpFailure(code, { code, sent });
  })();
  return Readable.from(broken);
}
