import type { Socket } from "node:net";
import { RETRY_AFTER_MS, type UserUsage } from "../base/memory-budget.ts";
import { AuthdError } from "../errors.ts";
import type { Admission } from "./admission.ts";
import type { CpuBudget, CpuBudgets } from "./cpu-budget.ts";
import { FrameParser, type Framing } from "./frame-parser.ts";
import { Intake } from "./intake.ts";
import type { JsonLimits } from "./json-bounds.ts";
import type { Peer } from "./peer.ts";

export interface ReaderLimits {
  frameBytes: number;
  /** Limit for a client that may use nothing. */
  refusedFrameBytes: number;
  /** Limits of structure, so that no frame takes long to be parsed and checked. */
  json: JsonLimits;
  /** Time (ms) from a frame's first byte to its last. */
  frameMs: number;
}

/** Whose bytes are read, and what keeps that client from keeping others waiting. */
export interface ReaderGuard {
  peer: Peer | undefined;
  budgets: CpuBudgets;
  /** Set for another user than the daemon's own. */
  admission?: Admission | undefined;
  user?: UserUsage | undefined;
}

export interface ReaderHandlers {
  /** Takes the body of one frame, which is valid during the call only. */
  frame(body: Buffer): void;
  /** Called after the frames that came together. */
  afterFrames(): void;
  /** Accounts for half a frame; returns false if there is no room for it. */
  holdPartial(bytes: number): boolean;
  /** The client sends no more. */
  end(): void;
  /** Its frames can't be told apart any more: nothing more is read. */
  fail(error: AuthdError): void;
  /** Goes on with what was held because of the client's CPU budget. */
  resume(): void;
}

/** Reads frames from one socket, within the client's limits of size, structure, time, memory and CPU. */
export class MessageReader {
  readonly #limits: ReaderLimits;
  readonly #guard: ReaderGuard;
  readonly #handlers: ReaderHandlers;
  readonly #parser: FrameParser;
  readonly #intake: Intake;
  #deadline: NodeJS.Timeout | undefined;
  #isStopped = false;
  #hasFailed = false;

  constructor(socket: Socket, limits: ReaderLimits, guard: ReaderGuard, handlers: ReaderHandlers) {
    this.#limits = limits;
    this.#guard = guard;
    this.#handlers = handlers;
    this.#parser = new FrameParser(limits.frameBytes, (body) => this.#frame(body), limits.json);
    this.#intake = new Intake(socket, guard.budgets.of(guard.peer), {
      read: (bytes) => this.#try(() => this.#read(bytes)),
      end: () => this.#try(() => this.#end()),
      resume: () => handlers.resume(),
    });
  }

  /** Undefined before the first byte. */
  get framing(): Framing | undefined {
    return this.#parser.framing;
  }

  get budget(): CpuBudget {
    return this.#intake.budget;
  }

  listen(): void {
    this.#intake.listen();
  }

  /** Pauses if the CPU budget is used up, and returns whether it is. */
  holdBack(): boolean {
    return this.#intake.holdBack();
  }

  /** Undefined if the CPU budget is not used up; otherwise resolves when it has come back. */
  whenInBudget(): Promise<void> | undefined {
    return this.#intake.whenInBudget();
  }

  /** Reads nothing while the client does not take its responses. */
  block(isBlocked: boolean): void {
    this.#intake.block(isBlocked);
    this.#watchFrame();
  }

  /** A frame that has begun is not awaited any more. */
  ignoreRest(): void {
    this.#isStopped = true;
    this.#stopDeadline();
  }

  /** The connection is gone. */
  stop(): void {
    this.#intake.stop();
    this.ignoreRest();
  }

  /** Reads frames; of a client that may use nothing only small ones, on a budget of their own. */
  #read(bytes: Buffer): void {
    const { admission, budgets, peer, user } = this.#guard;
    if (admission) {
      const { isAdmitted } = admission;
      if (user) user.isRefused = !isAdmitted;
      this.#intake.budget = budgets.of(peer, !isAdmitted);
      this.#parser.maxBytes = isAdmitted ? this.#limits.frameBytes : this.#limits.refusedFrameBytes;
    }
    this.#parser.push(bytes);
    this.#handlers.afterFrames();
  }

  #frame(body: Buffer): void {
    // The next frame has its own time, even if it has already begun.
    if (this.#deadline) this.#stopDeadline();
    this.#handlers.frame(body);
  }

  #end(): void {
    this.#parser.end();
    this.#handlers.afterFrames();
    this.#handlers.end();
  }

  #try(read: () => void): void {
    if (this.#hasFailed) return;
    try {
      read();
      // Bytes that were received and not read may be the rest of the frame.
      if (!this.#intake.hasMore && !this.#handlers.holdPartial(this.#parser.held))
        throw serverBusy();
      this.#watchFrame();
    } catch (error) {
      this.#fail(error as AuthdError);
    }
  }

  #fail(error: AuthdError): void {
    this.#hasFailed = true;
    this.stop();
    this.#handlers.fail(error);
  }

  #watchFrame(): void {
    if (!this.#parser.partial || this.#intake.isPaused || this.#isStopped) {
      if (this.#deadline) this.#stopDeadline();
      return;
    }
    this.#deadline ??= setTimeout(() => {
      const seconds = this.#limits.frameMs / 1000;
      this.#fail(new AuthdError("timeout", `The frame was not whole within ${seconds} s.`));
    }, this.#limits.frameMs).unref();
  }

  #stopDeadline(): void {
    clearTimeout(this.#deadline);
    this.#deadline = undefined;
  }
}

export const serverBusy = () =>
  new AuthdError(
    "too_busy",
    "authd holds as much for its clients as it may: wait for answers, or try again later.",
    { retryAfterMs: RETRY_AFTER_MS },
  );
