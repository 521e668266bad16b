import type { Socket } from "node:net";
import type { Log } from "../base/log.ts";
import { AuthdError } from "../errors.ts";
import type { AuthorizedResponse, PendingApproval } from "../protocol.ts";
import type { RefusedRequest } from "../rpc/admission.ts";
import type { Call } from "../rpc/call.ts";
import type { Interceptor } from "../rpc/compose.ts";
import { type Peer, peerOf } from "../rpc/peer.ts";
import { type AuditedCall, auditInterceptor } from "./audit-interceptor.ts";
import type { AuditEntry, AuditHead, AuditPeer } from "./entry.ts";
import { describe } from "./files.ts";
import { readEnd, writeHead } from "./head.ts";
import { AuditKeys, type Derive } from "./keys.ts";
import { AuditLast } from "./last.ts";
import { AuditPeers, type ClientPrograms } from "./peers.ts";
import { AuditQueue, type Waiting } from "./queue.ts";
import { AuditWriter } from "./writer.ts";

/** Lines are made together, so long (ms) after the first of them. */
const GATHER = 100;
/** While nothing can be written it is tried again so often, ms. */
const RETRY = 1_000;
/** The head is vouched for so often at most, ms. */
const HEAD_EVERY = 30_000;
/** Lines made in one go: nobody is held up. */
const BATCH = 500;
const LONGEST_NAME = 64;

export type AuditMode = "on" | "off" | "required";

export interface AuditOptions {
  /** `<state dir>/audit.log`. */
  path: string;
  mode: AuditMode;
  identities: ClientPrograms;
  log: Log;
  /** Milliseconds since the epoch. */
  now: () => number;
  /** Makes keys from the vault's; undefined while the vault is locked. */
  derive: Derive;
  /** Identifies this boot of the machine; empty where the system does not say. */
  bootId: string;
  /** Told when it can't be written any more, and when it can again (undefined). */
  onProblem: (problem: string | undefined) => void;
  /** Bytes, for tests. */
  rotateAt?: number;
}

/** As `audit/head` tells it. */
export interface AuditReport extends AuditHead {
  mode: AuditMode;
  path: string;
  /** Lines that wait to be written. */
  waiting: number;
  /** Why nothing can be written. */
  problem?: string;
}

/** Writes down who used what: one JSON line each, of which each holds the hash of the one before. */
export class Audit {
  readonly #options: AuditOptions;
  readonly #writer: AuditWriter;
  readonly #queue = new AuditQueue();
  readonly #keys: AuditKeys;
  readonly #last: AuditLast;
  readonly #peers: AuditPeers;
  /** By what a client was answered. */
  readonly #fingerprints = new WeakMap<object, string>();
  /** By uid: of one the same refusals are counted, not told each for itself. */
  readonly #strangers = new Map<number | undefined, AuditPeer>();
  #timer: NodeJS.Timeout | NodeJS.Immediate | undefined;
  #headTimer: NodeJS.Timeout | undefined;
  #flushing: Promise<void> | undefined;
  #problem: string | undefined;
  #headProblem: string | undefined;
  #isHeadChecked = false;
  #headAt = Number.NEGATIVE_INFINITY;
  /** Which key signed `audit.head` last. */
  #headKeyId: string | undefined;
  #lastProblem: string | undefined;
  #closed = false;

  constructor(options: AuditOptions) {
    this.#options = options;
    this.#writer = new AuditWriter(options.path, options.rotateAt);
    this.#keys = new AuditKeys(options.derive);
    this.#last = new AuditLast(options.path, options.bootId);
    this.#peers = new AuditPeers(options.identities);
  }

  /** Why nothing can be written, and what to do. */
  get problem(): string | undefined {
    return this.#problem ?? this.#headProblem;
  }

  /** Has a line written for each use, change and refusal; with `required`, before it is answered. */
  get interceptor(): Interceptor {
    const { mode } = this.#options;
    if (mode === "off") return (next) => next;
    const isRequired = mode === "required";
    return auditInterceptor({
      before: isRequired ? () => this.#assertWritable() : undefined,
      ended: (audited) => {
        if (audited.method === "vault/rekey") this.#keys.renew();
        const waiting = this.#noteCall(audited);
        return isRequired ? this.#written(waiting) : undefined;
      },
    });
  }

  /** One line that is about no call. */
  note(entry: Omit<AuditEntry, "time">): void {
    if (this.#options.mode !== "off") this.#note({ time: this.#options.now(), ...entry });
  }

  /** A person is asked something, or has answered (or not, in time). */
  noteQuestion(
    { id: question, credential, rule, program, script, unit }: PendingApproval,
    answer: string | undefined,
  ): void {
    const told = answer === undefined ? {} : { answer };
    const peer = { program, ...(script ? { script } : {}), ...(unit ? { unit } : {}) };
    const outcome = answer === undefined ? "asked" : "settled";
    this.note({ event: "approval", credential, outcome, rule, question, ...told, peer });
  }

  /** Who connects; who is turned away gets a line. Throws what `authorize` throws. */
  auditConnect(socket: Socket, authorize: () => Peer | undefined): Peer | undefined {
    try {
      return authorize();
    } catch (error) {
      const outcome = error instanceof AuthdError ? error.reason : "internal";
      this.note({ event: "refusal", method: "connect", outcome, peer: this.#stranger(socket) });
      throw error;
    }
  }

  /** Notes what a guest without any credential to use has asked for first. */
  refused(
    { connection, peer }: Pick<Call, "connection" | "peer">,
    { method, credential }: RefusedRequest,
  ): void {
    this.note({
      event: "refusal",
      method,
      credential: credential?.slice(0, LONGEST_NAME),
      outcome: "caller_not_allowed",
      peer: this.#peers.of(connection, peer),
    });
  }

  /** Not looked into any further: it may come back a thousand times a second. */
  #stranger(socket: Socket): AuditPeer {
    const known = (uid: number | undefined): AuditPeer => {
      const same = this.#strangers.get(uid) ?? (uid === undefined ? {} : { uid });
      this.#strangers.set(uid, same);
      return same;
    };
    try {
      return known(peerOf(socket)?.uid);
    } catch {
      return known(undefined);
    }
  }

  /** All that was noted up to now is written, or can't be. */
  async head(): Promise<AuditReport> {
    const { mode, path } = this.#options;
    if (mode !== "off") await this.#flushAll();
    const { problem } = this;
    const waiting = this.#queue.size;
    return { ...this.#writer.head, mode, path, waiting, ...(problem ? { problem } : {}) };
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    if (this.#closed || this.#options.mode === "off") return;
    this.#closed = true;
    this.#stopTimer();
    clearTimeout(this.#headTimer);
    await this.#flushAll();
    const lost = this.#queue.size + this.#queue.lost;
    if (lost > 0)
      this.#options.log.error(
        { lost },
        `${lost} lines of the audit log are lost with this end: ${this.#problem}`,
      );
    await this.#signHead();
    this.#writer.close();
    this.#last.close();
    this.#keys.wipe();
  }

  /** Is on the way of every token: for one that was handed out a moment ago no line is made anew. */
  #noteCall(audited: AuditedCall): Waiting | undefined {
    const { method, call, outcome, params, result } = audited;
    const peer = this.#peers.of(call.connection, call.peer);
    const issued = method === "getToken" && outcome === "ok" ? result : undefined;
    const time = this.#options.now();
    return (
      this.#queue.repeat(peer, params.credential, call.rule, issued, time) ??
      this.#note(this.#entryOf(audited, peer, time), issued)
    );
  }

  #entryOf(
    { event, method, params, call, outcome, result }: AuditedCall,
    peer: AuditPeer,
    time: number,
  ): AuditEntry {
    const { credential = params.name, url, answer, id } = params;
    const isRequest = method === "authorizedRequest";
    const { status, refreshed } =
      ((isRequest ? result : undefined) as Partial<AuthorizedResponse>) ?? {};
    const { origin, request } = isRequest ? requested(url, params.method) : NOWHERE;
    const isAnswer = event === "approval";
    const issued = method === "getToken" ? result : call.issued;
    // One shape for all, made at once. Members that are undefined are not written.
    return {
      time,
      event,
      method,
      credential: typeof credential === "string" ? credential.slice(0, LONGEST_NAME) : undefined,
      origin,
      request,
      status,
      refreshed: refreshed === true ? refreshed : undefined,
      outcome,
      rule: call.rule,
      question: isAnswer ? (id as number) : undefined,
      answer: isAnswer ? (answer as string) : undefined,
      peer,
      token: outcome === "ok" ? this.#fingerprint(issued) : undefined,
    };
  }

  #fingerprint(answer: object | undefined): string | undefined {
    const { accessToken } = (answer ?? {}) as { accessToken?: string };
    if (answer === undefined || accessToken === undefined) return undefined;
    const known = this.#fingerprints.get(answer);
    if (known !== undefined) return known;
    const made = this.#keys.fingerprint(accessToken);
    if (made === undefined) return undefined;
    this.#fingerprints.set(answer, made);
    return made;
  }

  #note(entry: AuditEntry, answer?: object): Waiting | undefined {
    const waiting = this.#queue.push(entry, answer);
    if (!this.#closed && !this.#flushing && !this.#timer) this.#flushSoon();
    return waiting;
  }

  #flushSoon(): void {
    const begin = () => {
      this.#timer = undefined;
      void this.#flush();
    };
    if (this.#problem !== undefined) this.#timer = setTimeout(begin, RETRY).unref();
    else if (this.#options.mode === "required") this.#timer = setImmediate(begin);
    else this.#timer = setTimeout(begin, GATHER).unref();
  }

  #stopTimer(): void {
    clearTimeout(this.#timer as NodeJS.Timeout);
    clearImmediate(this.#timer as NodeJS.Immediate);
    this.#timer = undefined;
  }

  /** Rejects with AuthdError `internal`. */
  async #assertWritable(): Promise<void> {
    // Nothing is known before the first line.
    if (this.#problem === undefined && this.#writer.head.n === 0) await this.#flush();
    if (this.#problem !== undefined) throw unwritable(this.#problem);
  }

  async #written(waiting: Waiting | undefined): Promise<void> {
    if (!waiting) throw unwritable(this.#problem ?? "too many lines wait");
    await new Promise<void>((resolve, reject) => {
      waiting.waiters.push({ resolve, reject });
    });
  }

  /** Also what was noted while the last lines were being written. */
  async #flushAll(): Promise<void> {
    await this.#flushing;
    await this.#flush();
  }

  #flush(): Promise<void> {
    this.#flushing ??= this.#writeAll().finally(() => {
      this.#flushing = undefined;
      if (this.#queue.size > 0 && !this.#closed && !this.#timer) this.#flushSoon();
    });
    return this.#flushing;
  }

  /** Never rejects. */
  async #writeAll(): Promise<void> {
    const { now } = this.#options;
    this.#stopTimer();
    while (this.#queue.size > 0 || this.#queue.lost > 0) {
      const { lost } = this.#queue;
      const batch = this.#queue.take(BATCH);
      const entries = batch.map(({ entry }) => entry);
      if (lost > 0 && this.#queue.size === 0) {
        entries.push({ time: now(), event: "daemon", outcome: "lost", lost });
      }
      try {
        this.#writer.prepare(now());
        this.#checkHead();
        if (this.#writer.head.n === 0) await this.#signBeginning();
        await this.#writer.write(entries, now());
      } catch (error) {
        this.#failed(batch, error);
        return;
      }
      await this.#noteLast();
      if (entries.length > batch.length) this.#queue.lost -= lost;
      for (const { waiters } of batch) for (const { resolve } of waiters) resolve();
    }
    this.#recovered();
    const isOfThisKey = this.#headKeyId === this.#keys.head?.keyId;
    if (!isOfThisKey || now() - this.#headAt >= HEAD_EVERY) await this.#signHead();
    else this.#vouchLater();
  }

  #failed(batch: readonly Waiting[], error: unknown): void {
    const { path, log, onProblem } = this.#options;
    const problem = `the audit log can't be written: ${path}: ${describe(error)}`;
    for (const waiting of batch) {
      if (waiting.waiters.length > 0) waiting.entry.withheld = true;
      for (const { reject } of waiting.waiters) reject(unwritable(problem));
      waiting.waiters = [];
    }
    this.#queue.putBack(batch);
    if (this.#problem === problem) return;
    this.#problem = problem;
    log.error({}, problem);
    onProblem(this.problem);
  }

  #recovered(): void {
    if (this.#problem === undefined) return;
    this.#problem = undefined;
    this.#options.log.info({}, "the audit log can be written again");
    this.#options.onProblem(this.problem);
  }

  // ---- the head ----

  /** Once, as soon as there is a key: does the log still reach as far as it is known to have? */
  #checkHead(): void {
    if (this.#isHeadChecked) return;
    const { path, bootId, now, log, onProblem } = this.#options;
    const key = this.#keys.head;
    if (!key) return;
    this.#isHeadChecked = true;
    const end = readEnd(path, key, bootId);
    const { found } = this.#writer;
    const wrong = "head" in end ? missing(end.head, found) : end.wrong;
    // Where nothing was written before there is nothing to vouch for.
    const isNew = "is" in end && end.is === "absent" && found.length === 0;
    if (wrong === undefined || isNew) return;
    if ("head" in end) this.#writer.skipTo(end.head.n);
    this.#queue.push({ time: now(), event: "daemon", outcome: "tampered" });
    this.#headProblem = `the audit log was changed while the daemon did not run: ${wrong}; see authd audit verify`;
    log.error({}, this.#headProblem);
    onProblem(this.problem);
  }

  #vouchLater(): void {
    if (this.#headTimer || this.#closed) return;
    this.#headTimer = setTimeout(() => {
      this.#headTimer = undefined;
      void this.#signHead();
    }, HEAD_EVERY).unref();
  }

  /** What is vouched for is on the disk before. Never rejects. */
  async #signHead(): Promise<void> {
    const { path, bootId, log, now } = this.#options;
    const key = this.#keys.head;
    if (!key || !this.#isHeadChecked || this.#writer.head.n === 0) return;
    this.#headAt = now();
    this.#headKeyId = key.keyId;
    try {
      const { head } = this.#writer;
      await this.#writer.sync();
      await writeHead(path, head, key, bootId);
    } catch (error) {
      log.warn({}, `the head of the audit log can't be written: ${describe(error)}`);
    }
  }

  /** Before the first line of all: a daemon that is killed right after it leaves no line without a signed end. */
  async #signBeginning(): Promise<void> {
    const { path, bootId } = this.#options;
    const key = this.#keys.head;
    if (!key || !this.#isHeadChecked) return;
    await this.#noteLast();
    await writeHead(path, this.#writer.head, key, bootId);
  }

  /** So that lines which are cut off after the process was killed are missed. Never rejects. */
  async #noteLast(): Promise<void> {
    const key = this.#keys.head;
    if (!key || !this.#isHeadChecked) return;
    try {
      await this.#last.write(this.#writer.head, key);
      this.#lastProblem = undefined;
    } catch (error) {
      const problem = `audit.last can't be written: ${describe(error)}`;
      if (problem !== this.#lastProblem) this.#options.log.warn({}, problem);
      this.#lastProblem = problem;
    }
  }
}

/** What of the log's end is not as it was. */
function missing(
  { n, hash }: AuditHead,
  found: readonly { n: number; hash: string }[],
): string | undefined {
  const last = found.at(-1)?.n ?? 0;
  if (last < n) return `its last ${n - last} lines are missing`;
  const line = found.find((one) => one.n === n);
  return line && line.hash !== hash ? `line number ${n} is another` : undefined;
}

const NOWHERE = { origin: undefined, request: undefined } as const;

/** Of an address the origin is enough: paths and queries may hold secrets. */
function requested(url: unknown, method: unknown): Pick<AuditEntry, "origin" | "request"> {
  const request = typeof method === "string" ? method.toUpperCase().slice(0, 16) : "GET";
  try {
    return { origin: new URL(String(url)).origin.slice(0, 300), request };
  } catch {
    return { request };
  }
}

function unwritable(problem: string): AuthdError {
  return new AuthdError(
    "internal",
    `${problem}. audit = "required", so nothing is handed out or changed until it can.`,
  );
}
