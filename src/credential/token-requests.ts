import { setImmediate as nextTurn } from "node:timers/promises";
import type { CredentialSettings } from "../config/settings.ts";
import type { Grant } from "../grants/grant.ts";
import { acquire, acquisitionDigest, TOKEN_TIMEOUT_MS, type TokenResponse } from "./acquire.ts";
import type { CredentialDeps } from "./credential-deps.ts";
import type { CredentialRecord, TokenTarget } from "./record.ts";
import { adopt, type RotationContext, refreshRotating } from "./rotation.ts";
import { type PendingRefresh, type TokenSlot, targetKey } from "./token-slot.ts";

/** What one token request is made from: all of the same moment, so that no secret meets another's address. */
export interface TokenRequestInputs {
  settings: CredentialSettings;
  grant: Grant;
  record: CredentialRecord;
  secrets: Readonly<Record<string, string>>;
  /** Tokens issued before, which no error may quote. */
  held: readonly string[];
  /** Seals the record, fsynced; false if the disk fails. Never rejects. */
  seal: () => Promise<boolean>;
  /** The access token that there is will do for now. */
  canWait: () => boolean;
  /** The credential still has this record: it was not removed or read anew meanwhile. */
  isCurrent: () => boolean;
}

interface FlightsOptions
  extends Pick<
    CredentialDeps,
    "http" | "time" | "clock" | "hostLimiter" | "codes" | "issuerClocks" | "spendingRequests"
  > {
  /** A flight's pause has begun. */
  onPause: () => void;
}

/** Sends token requests: through the lanes of the issuer's host, and one by one if they spend a refresh token. */
export class TokenRequests {
  /**
   * Under way or waiting for their turn, those included whose token nobody wants any more. One that
   * waits for a one-time code is none: it has nothing to lose.
   */
  count = 0;
  /** Those under way that spend a rotating refresh token: what they bring must be sealed. */
  spending = 0;
  readonly #around: FlightsOptions;
  #lastSpending: Promise<unknown> = Promise.resolve();

  constructor(options: FlightsOptions) {
    this.#around = options;
  }

  /**
   * What the issuer gives for `variant`; rejects with the grant's AuthdError, or with what `plan`
   * throws. It is asked for the plan when the request's turn has come: settings may have been
   * replaced by then.
   */
  async send(
    slot: TokenSlot,
    pendingRefresh: PendingRefresh,
    inputs: () => TokenRequestInputs,
  ): Promise<TokenResponse> {
    this.count++;
    try {
      const inLane = () => this.#inLane(slot, pendingRefresh, inputs);
      return await (inputs().grant.rotates === undefined ? inLane() : this.#oneAtATime(inLane));
    } finally {
      this.count--;
    }
  }

  /** A person entered another refresh token: it need not wait for the answer to the one before. */
  startAnew(): void {
    this.#lastSpending = Promise.resolve();
  }

  async #inLane(
    slot: TokenSlot,
    pendingRefresh: PendingRefresh,
    inputs: () => TokenRequestInputs,
  ): Promise<TokenResponse> {
    for (;;) {
      const { grant, settings } = inputs();
      const waitMs = this.#codeWaitMs(inputs());
      if (waitMs > 0) await this.#pause(pendingRefresh, waitMs);
      const host = hostOf(grant.issuerUrl(settings.own, settings.fields));
      const won = await this.#around.hostLimiter.run(host, pendingRefresh, async (leave) => {
        // First it is noted what became of the one whose turn this was.
        await nextTurn();
        // Another has sent the code meanwhile.
        if (this.#codeWaitMs(inputs()) > 0) return undefined;
        // It may have been in the queue for long: callers bring the next try forward to a time after this.
        slot.lastAttemptAt = this.#around.time.now().boot;
        pendingRefresh.sent = true;
        return await this.#request(slot, pendingRefresh, inputs, leave);
      });
      if (won) return won;
    }
  }

  async #request(
    slot: TokenSlot,
    pendingRefresh: PendingRefresh,
    inputs: () => TokenRequestInputs,
    leave: () => void,
  ): Promise<TokenResponse> {
    const planned = inputs();
    const { rotates } = planned.grant;
    if (rotates !== undefined) return await this.#spendInLane(slot, pendingRefresh, inputs, leave);
    const codeAt = await this.#takeCode(planned);
    return await acquire({ ...this.#common(slot, planned), codeAt, secrets: planned.secrets });
  }

  #common({ target }: TokenSlot, { settings, grant, held }: TokenRequestInputs) {
    const { http, time, issuerClocks, clock } = this.#around;
    return { settings, grant, held, target, http, time, issuerClocks, clock };
  }

  /** An answer may take long: others need not wait for it. */
  async #spendInLane(
    slot: TokenSlot,
    pendingRefresh: PendingRefresh,
    inputs: () => TokenRequestInputs,
    leave: () => void,
  ): Promise<TokenResponse> {
    const leaving = this.#around.clock.schedule(TOKEN_TIMEOUT_MS, leave);
    this.spending++;
    try {
      return await this.#spend(slot, pendingRefresh, inputs);
    } finally {
      this.spending--;
      leaving.cancel();
    }
  }

  async #spend(
    slot: TokenSlot,
    pendingRefresh: PendingRefresh,
    inputs: () => TokenRequestInputs,
  ): Promise<TokenResponse> {
    const { spendingRequests, time } = this.#around;
    const planned = inputs();
    const { settings, grant, record, secrets, seal, canWait, isCurrent } = planned;
    const secret = grant.rotates ?? "";
    const token = secrets[secret] ?? "";
    const common = this.#common(slot, planned);
    let begun = false;
    const attempt = async (refreshToken: string) => {
      // While the intent was being sealed, the vault may have been locked, or the daemon told to end.
      if (!begun) inputs();
      begun = true;
      return await acquire({ ...common, secrets: { ...secrets, [secret]: refreshToken } });
    };
    const onLost = () => {
      pendingRefresh.lost = true;
    };
    const about = { record, secret, token, target: slot.target, bootId: time.bootId };
    const isCallers = slot.key !== "";
    const context: RotationContext = {
      ...about,
      ...{ seal, canWait, isCurrent, attempt, isCallers, onLost },
    };
    const url = grant.issuerUrl(settings.own, settings.fields) ?? "";
    const of = requestOf(settings, slot.target);
    const earlier = spendingRequests.find(url, token);
    if (!earlier)
      return await spendingRequests.track(url, token, { of, answer: refreshRotating(context) });
    const response = await earlier.answer.catch(() => undefined);
    if (response) await adopt(context, response);
    return response && earlier.of === of
      ? response
      : await this.#spend(slot, pendingRefresh, inputs);
  }

  // ---- one-time codes ----

  #codeWaitMs({ grant, settings, secrets }: TokenRequestInputs): number {
    const { wall } = this.#around.time.now();
    const step = grant.timeStep?.(secrets, wall);
    if (!step) return 0;
    return this.#around.codes.waitMs(issuerOf(grant, settings), step, wall);
  }

  /**
   * Notes that the code of now is sent, sealed before it is, so that no restart sends it again. Returns
   * its moment (wall clock, ms); undefined if the request carries none.
   */
  async #takeCode({ grant, settings, secrets, record, seal }: TokenRequestInputs) {
    for (;;) {
      const { wall } = this.#around.time.now();
      const taken = grant.timeStep?.(secrets, wall);
      if (!taken) return undefined;
      this.#around.codes.note(issuerOf(grant, settings), taken);
      record.codeSentAt = wall;
      await seal();
      // A slow disk may have taken longer than the code holds.
      const { wall: later } = this.#around.time.now();
      if (grant.timeStep?.(secrets, later)?.step === taken.step) return wall;
    }
  }

  /** Until the registry's timer ends it. */
  async #pause(pendingRefresh: PendingRefresh, ms: number): Promise<void> {
    const ended = new Promise<void>((resolve) => {
      const end = () => {
        pendingRefresh.pause = undefined;
        resolve();
      };
      pendingRefresh.pause = { untilBootMs: this.#around.time.now().boot + ms, end };
    });
    this.count--;
    this.#around.onPause();
    await ended;
    this.count++;
  }

  async #oneAtATime<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#lastSpending.then(work, work);
    this.#lastSpending = turn;
    return await turn;
  }
}

/** One issuer for one-time codes, whatever the path of its token endpoint. */
export function issuerOf(grant: Grant, { own, fields }: CredentialSettings): string {
  return hostOf(grant.issuerUrl(own, fields)) ?? "";
}

function requestOf(settings: CredentialSettings, target: TokenTarget): string {
  return JSON.stringify([acquisitionDigest(settings), targetKey(target)]);
}

export function hostOf(url: string | undefined): string | undefined {
  return url === undefined ? undefined : new URL(url).host;
}
