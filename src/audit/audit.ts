import type { Socket } from "node:net";
import type { Log } from "../base/log.ts";
import { AuthdError } from "../errors.ts";
import type { PendingApproval } from "../protocol.ts";
import type { RefusedRequest } from "../rpc/admission.ts";
import type { Call } from "../rpc/call.ts";
import type { Interceptor } from "../rpc/compose.ts";
import { type Peer, peerOf } from "../rpc/peer.ts";
import { type AuditedCall, auditInterceptor } from "./audit-interceptor.ts";
import { entryOf, MAX_NAME_LENGTH } from "./call-entry.ts";
import type { AuditEntry, AuditHead, AuditPeer } from "./entry.ts";
import { describe } from "./files.ts";
import { AuditKeys, type Derive } from "./keys.ts";
import { AuditPeers, type ClientPrograms } from "./peers.ts";
import { AuditQueue, type Waiting } from "./queue.ts";
import { SignedEnd } from "./signed-end.ts";
import { AuditWriter } from "./writer.ts";

/** Lines are gathered for so long (ms) after the first of them, then written together. */
const GATHER_MS = 100;
/** Lines that could not be written are tried again after so long, ms. */
const RETRY_MS = 1_000;
/** Lines formatted without a break, so that no client waits long. */
const BATCH_LINES = 500;

type AuditMode = "on" | "off" | "required";

export interface AuditOptions {
  /** `<state dir>/audit.log`. */
  path: string;
  mode: AuditMode;
  identities: ClientPrograms;
  log: Log;
  /** Milliseconds since the epoch. */
  now: () => number;
  /** Returns the name of this host in its store; undefined without one. */
  host: () => string | undefined;
  /** Makes keys from the vault's; undefined while the vault is locked. */
  derive: Derive;
  /** Identifies this boot of the machine; empty where the system does not say. */
  bootId: string;
  /** Called with the problem when the log can't be written, and with undefined when it can again. */
  onProblem: (problem: string | undefined) => void;
  /** Bytes, for tests. */
  rotateAt?: number;
}

/** Result of `audit/head`. */
export interface AuditReport extends AuditHead {
  mode: AuditMode;
  path: string;
  /** Lines that wait to be written. */
  waiting: number;
  /** Problem that keeps lines from being written. */
  problem?: string;
}

/** Writes down who used what: one JSON line each, of which each holds the hash of the one before. */
export class Audit {
  readonly #options: AuditOptions;
  readonly #writer: AuditWriter;
  readonly #queue = new AuditQueue();
  readonly #keys: AuditKeys;
  readonly #end: SignedEnd;
  readonly #peers: AuditPeers;
  /** Fingerprints of tokens, by the answer that a token was handed out with. */
  readonly #fingerprints = new WeakMap<object, string>();
  /** Descriptions of refused users, by uid: one each, so that equal refusals are counted. */
  readonly #strangers = new Map<number | undefined, AuditPeer>();
  #timer: NodeJS.Timeout | NodeJS.Immediate | undefined;
  #flushing: Promise<void> | undefined;
  #problem: string | undefined;
  #endProblem: string | undefined;
  #closed = false;

  constructor(options: AuditOptions) {
    this.#options = options;
    this.#writer = new AuditWriter(options.path, options.rotateAt);
    this.#keys = new AuditKeys(options.derive);
    this.#end = new SignedEnd({
      ...options,
      writer: this.#writer,
      keys: this.#keys,
      onTampered: (wrong) => this.#tampered(wrong),
    });
    this.#peers = new AuditPeers(options.identities);
  }

  /** Problem with the log, and what to do; undefined if there is none. */
  get problem(): string | undefined {
    return this.#problem ?? this.#endProblem;
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

  /** Notes an event that is no call. */
  note(entry: Omit<AuditEntry, "time">): void {
    if (this.#options.mode !== "off") this.#note({ time: this.#options.now(), ...entry });
  }

  /** Notes that a token is written to a file. With `required`, rejects if that can't be written down. */
  async noteTokenFile(credential: string, { accessToken }: { accessToken: string }): Promise<void> {
    const { mode, now } = this.#options;
    if (mode === "off") return;
    const token = this.#keys.fingerprint(accessToken);
    const entry = { event: "use", credential, outcome: "token_file", token } as const;
    const waiting = this.#note({ time: now(), ...entry });
    if (mode === "required") await this.#written(waiting);
  }

  /** Notes a question to a person; with `answer`, how it ended. */
  noteQuestion(
    { id: question, credential, rule, program, script, unit }: PendingApproval,
    answer: string | undefined,
  ): void {
    const told = answer === undefined ? {} : { answer };
    const peer = { program, ...(script ? { script } : {}), ...(unit ? { unit } : {}) };
    const outcome = answer === undefined ? "asked" : "settled";
    this.note({ event: "approval", credential, outcome, rule, question, ...told, peer });
  }

  /** Returns what `authorize` returns. Notes, and throws, what it throws. */
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
      credential: credential?.slice(0, MAX_NAME_LENGTH),
      outcome: "caller_not_allowed",
      peer: this.#peers.of(connection, peer),
    });
  }

  /** Describes a refused peer by its user alone: it may come back a thousand times a second. */
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

  /** Returns how far the log goes, after what was noted up to now was written, if it can be. */
  async head(): Promise<AuditReport> {
    const { mode, path } = this.#options;
    if (mode !== "off") await this.#flushAll();
    const { problem } = this;
    const waiting = this.#queue.size;
    return { ...this.#writer.head, mode, path, waiting, ...(problem ? { problem } : {}) };
  }

  /** Writes what waits, signs the end, and wipes the keys. */
  async close(): Promise<void> {
    if (this.#closed || this.#options.mode === "off") return;
    this.#closed = true;
    this.#stopTimer();
    this.#end.stop();
    await this.#flushAll();
    const lost = this.#queue.size + this.#queue.lost;
    if (lost > 0)
      this.#options.log.error(
        { lost },
        `${lost} lines of the audit log are lost with this end: ${this.#problem}`,
      );
    await this.#end.close();
    this.#writer.close();
    this.#keys.wipe();
  }

  /** Notes a call. A token that was handed out a moment ago is counted, without an entry of its own. */
  #noteCall(audited: AuditedCall): Waiting | undefined {
    const { method, call, outcome, params, result } = audited;
    const peer = this.#peers.of(call.connection, call.peer);
    const issued = method === "getToken" && outcome === "ok" ? result : undefined;
    const time = this.#options.now();
    return (
      this.#queue.repeat(peer, params.credential, call.rule, issued, time) ??
      this.#note(entryOf(audited, peer, time, this.#fingerprintOf(audited)), issued)
    );
  }

  /** Fingerprint of the token that was handed out, or that a request carried. */
  #fingerprintOf({ method, call, outcome, result }: AuditedCall): string | undefined {
    if (outcome !== "ok") return undefined;
    const answer = method === "getToken" ? result : call.issued;
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
    if (this.#problem !== undefined) this.#timer = setTimeout(begin, RETRY_MS).unref();
    else if (this.#options.mode === "required") this.#timer = setImmediate(begin);
    else this.#timer = setTimeout(begin, GATHER_MS).unref();
  }

  #stopTimer(): void {
    clearTimeout(this.#timer as NodeJS.Timeout);
    clearImmediate(this.#timer as NodeJS.Immediate);
    this.#timer = undefined;
  }

  /** Rejects with AuthdError `internal` if the last lines could not be written. */
  async #assertWritable(): Promise<void> {
    // Whether the log can be written is unknown before the first line.
    if (this.#problem === undefined && this.#writer.head.n === 0) await this.#flush();
    if (this.#problem !== undefined) throw unwritable(this.#problem);
  }

  async #written(waiting: Waiting | undefined): Promise<void> {
    if (!waiting) throw unwritable(this.#problem ?? "too many lines wait");
    await new Promise<void>((resolve, reject) => {
      waiting.waiters.push({ resolve, reject });
    });
  }

  /** Writes all lines, also those noted while others were being written. */
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
    this.#stopTimer();
    while (this.#queue.size > 0 || this.#queue.lost > 0) {
      const batch = this.#queue.take(BATCH_LINES);
      try {
        await this.#write(batch);
      } catch (error) {
        this.#failed(batch, error);
        return;
      }
      for (const { waiters } of batch) for (const { resolve } of waiters) resolve();
    }
    this.#recovered();
    await this.#end.signSometimes();
  }

  async #write(batch: readonly Waiting[]): Promise<void> {
    const { now, host } = this.#options;
    const entries = batch.map(({ entry }) => entry);
    const lost = this.#queue.size === 0 ? this.#queue.lost : 0;
    if (lost > 0) entries.push({ time: now(), event: "daemon", outcome: "lost", lost });
    this.#writer.prepare();
    await this.#end.prepare();
    await this.#writer.write(entries, now(), host());
    this.#queue.lost -= lost;
    await this.#end.noteLines();
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

  #tampered(wrong: string): void {
    const { now, log, onProblem } = this.#options;
    this.#queue.push({ time: now(), event: "daemon", outcome: "tampered" });
    this.#endProblem = `the audit log was changed while the daemon did not run: ${wrong}; see authd audit verify`;
    log.error({}, this.#endProblem);
    onProblem(this.problem);
  }

  #recovered(): void {
    if (this.#problem === undefined) return;
    this.#problem = undefined;
    this.#options.log.info({}, "the audit log can be written again");
    this.#options.onProblem(this.problem);
  }
}

function unwritable(problem: string): AuthdError {
  return new AuthdError(
    "internal",
    `${problem}. audit = "required", so nothing is handed out or changed until it can.`,
  );
}
