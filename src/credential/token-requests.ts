/** Sends token requests: in the queue of the issuer's host, and one at a time if they use a refresh token. */

import { createHash } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { omitUndefined } from "../base/omit-undefined.ts";
import { Turns } from "../base/turns.ts";
import type { CredentialSettings } from "../config/settings.ts";
import { AuthdError } from "../errors.ts";
import type { AcquireContext, Grant, SendToIssuer } from "../grants/grant.ts";
import {
  clientCertificate,
  obtainsRotating,
  rotatingSecret,
  SUBJECT_TOKEN,
} from "../grants/index.ts";
import { rotatedIn } from "../grants/rotated-token.ts";
import { createIssuerSend } from "../http/issuer.ts";
import { acquireContext } from "./acquire-context.ts";
import type { CredentialDeps } from "./credential-deps.ts";
import { dpopFor } from "./dpop.ts";
import { ensureMetadata, usesMetadata } from "./issuer-metadata.ts";
import type { CredentialRecord } from "./record.ts";
import { isLastRefusal } from "./refusals.ts";
import { adoptResponse, type RotationContext, refreshRotating } from "./rotation.ts";
import { reuseGraceMs } from "./shared/shared-refresh.ts";
import { readSubjectToken, type SubjectReading } from "./subject-token.ts";
import type { TokenResponse } from "./token.ts";
import { type PendingRefresh, type TokenSlot, targetKey } from "./token-slot.ts";
import { isLastingFailure } from "./troubles.ts";

/**
 * Limit of a request with a rotating refresh token: given up while its connection is open, its response
 * would be lost, and the next request would look like a reuse of the token.
 */
const ROTATING_TIMEOUT_MS = 120_000;
/** Limit of any other token request. */
const TOKEN_TIMEOUT_MS = 10_000;

/** Everything one token request is built from, read at one moment: a secret is never combined with the address of newer settings. */
export interface TokenRequestInputs {
  settings: CredentialSettings;
  grant: Grant;
  record: CredentialRecord;
  secrets: Readonly<Record<string, string>>;
  /** Tokens issued before, which no error may quote. */
  held: readonly string[];
  /** Seals the record, fsynced; false if the disk fails. Never rejects. */
  seal: () => Promise<boolean>;
  /** True if the cached access token will do for now. */
  canWait: () => boolean;
  /** True while the credential has this record: it was neither removed nor read anew. */
  isCurrent: () => boolean;
}

/** One request: the slot that it is for, and a function that reads its inputs. */
interface QueuedTokenRequest {
  slot: TokenSlot;
  pendingRefresh: PendingRefresh;
  /** Throws the AuthdError of what keeps the request from being sent. */
  inputs: () => TokenRequestInputs;
}

interface RequestOptions extends Pick<AcquireContext<unknown>, "onRotated"> {
  /** Wall clock, ms: the moment of the one-time code that the request carries. */
  codeAt?: number | undefined;
}

export class TokenRequests {
  /**
   * Requests that are queued or being sent, including those whose token is not wanted any more. A request
   * that waits for a one-time code does not count: it has nothing to lose.
   */
  count = 0;
  /** Requests with a rotating refresh token: what they bring must be sealed. */
  spending = 0;
  readonly #deps: CredentialDeps;
  readonly #onPause: () => void;
  /** True after a request failed as if its address were wrong. */
  #isMetadataStale = false;
  #rotating = new Turns();

  /** `onPause` is called when a request begins to wait for a one-time code. */
  constructor(deps: CredentialDeps, onPause: () => void) {
    this.#deps = deps;
    this.#onPause = onPause;
  }

  /**
   * Requests a token for `slot`; rejects with the grant's AuthdError, or with what `inputs` throws. The
   * inputs are read when the request leaves the queue, as settings may be replaced until then.
   */
  async send(
    slot: TokenSlot,
    pendingRefresh: PendingRefresh,
    inputs: () => TokenRequestInputs,
  ): Promise<TokenResponse> {
    const request = { slot, pendingRefresh, inputs };
    this.count++;
    try {
      const isRotating = rotatingSecret(inputs().settings) !== undefined;
      const run = () => this.#queue(request);
      return await (isRotating ? this.#rotating.run(run) : run());
    } finally {
      this.count--;
    }
  }

  /** Lets the next request start at once: another refresh token was entered, so it need not wait for the last one. */
  startAnew(): void {
    this.#rotating = new Turns();
  }

  async #queue(request: QueuedTokenRequest): Promise<TokenResponse> {
    const { slot, pendingRefresh, inputs } = request;
    const { codes, hostLimiter, time } = this.#deps;
    const codeWaitMs = () => codes.waitMs(inputs(), time.now().wall);
    if (usesMetadata(inputs().settings)) await this.#ensureMetadata(inputs());
    for (;;) {
      const waitMs = codeWaitMs();
      if (waitMs > 0) await this.#pause(pendingRefresh, waitMs);
      const { grant, settings, secrets } = inputs();
      // Outside the host's slots: another credential's token may come from the same host.
      const { audience } = slot.target;
      const subject = await readSubjectToken({ deps: this.#deps, settings, secrets, audience });
      const host = hostOf(grant.issuerUrl(settings.own, settings.fields));
      const response = await hostLimiter.run(host, pendingRefresh, async (release) => {
        // Yield once, so that the previous request's result is recorded before this one starts.
        await nextTurn();
        // Another credential has sent the code meanwhile.
        if (codeWaitMs() > 0) return undefined;
        // A subject token never goes to an address of newer settings.
        if (inputs().settings !== settings && SUBJECT_TOKEN in subject.secrets) return undefined;
        // The request may have been queued for long; callers' retries count from when it is sent.
        slot.lastAttemptAt = time.now().boot;
        pendingRefresh.sent = true;
        return await this.#sendNow(request, release, subject);
      });
      if (response) return response;
    }
  }

  /** Reads the issuer's metadata where its file gives only `issuer`: once, and after an address has failed. */
  async #ensureMetadata(keeper: TokenRequestInputs): Promise<void> {
    const again = this.#isMetadataStale;
    this.#isMetadataStale = false;
    await ensureMetadata(this.#deps, keeper, again);
  }

  /** Returns undefined if a refresh token was refused, and a sign-in is to be sent in its place. */
  async #sendNow(
    request: QueuedTokenRequest,
    release: () => void,
    subject: SubjectReading,
  ): Promise<TokenResponse | undefined> {
    const { slot, inputs } = request;
    const now = inputs();
    const rotates = rotatingSecret(now.settings);
    const obtains = obtainsRotating(now.settings);
    if (rotates !== undefined && (now.secrets[rotates] !== undefined || !obtains)) {
      const sending = this.#sendRotatingQueued(request, release);
      if (!obtains) return await sending;
      return await sending.catch((error) => dropRefused(now, slot, error));
    }
    const { codes, time } = this.#deps;
    const codeAt = await codes.take(now, time, (sentAt) => {
      now.record.codeSentAt = sentAt;
      return now.seal();
    });
    const secrets = { ...now.secrets, ...subject.secrets };
    const held = [...now.held, ...subject.hidden];
    const response = await this.#requestToken(slot, { ...now, held }, secrets, { codeAt });
    if (obtains && response.acquired.refreshToken !== undefined)
      await adoptResponse(this.#rotationContext(request, now), response);
    return response;
  }

  /** Releases the host's slot after 10 s: the response may take long, and others need not wait for it. */
  async #sendRotatingQueued(
    request: QueuedTokenRequest,
    release: () => void,
  ): Promise<TokenResponse> {
    const timer = this.#deps.clock.schedule(TOKEN_TIMEOUT_MS, release);
    this.spending++;
    try {
      return await this.#sendRotating(request);
    } finally {
      this.spending--;
      timer.cancel();
    }
  }

  /** Sends a rotating refresh token, or takes over the response to a pending request with the same token. */
  async #sendRotating(request: QueuedTokenRequest): Promise<TokenResponse> {
    const { spendingRequests } = this.#deps;
    const now = request.inputs();
    const { settings, grant } = now;
    const context = this.#rotationContext(request, now);
    const url = grant.issuerUrl(settings.own, settings.fields) ?? "";
    const digest = JSON.stringify([acquisitionDigest(settings), targetKey(context.target)]);
    const earlier = spendingRequests.find(url, context.token);
    if (!earlier) {
      const response = refreshRotating(context);
      return await spendingRequests.track(url, context.token, { digest, response });
    }
    const response = await earlier.response.catch(() => undefined);
    if (response) await adoptResponse(context, response);
    const isOurs = response !== undefined && earlier.digest === digest;
    return isOurs ? response : await this.#sendRotating(request);
  }

  #rotationContext(
    { slot, pendingRefresh, inputs }: QueuedTokenRequest,
    now: TokenRequestInputs,
  ): RotationContext {
    const { settings, grant, record, secrets, seal, canWait, isCurrent } = now;
    const secret = rotatingSecret(settings) ?? "";
    let isStarted = false;
    return {
      ...{ record, secret, seal, canWait, isCurrent },
      token: secrets[secret] ?? "",
      target: slot.target,
      isCallers: slot.key !== "",
      bootId: this.#deps.time.bootId,
      isShared: this.#deps.shared !== undefined,
      sendsOnce: this.#deps.shared !== undefined && reuseGraceMs(settings.own) === 0,
      ...(grant.refusesInOwnWords && {
        isRefusal: (error: AuthdError) => isLastRefusal(error, { record, settings }),
      }),
      onLost: () => {
        pendingRefresh.lost = true;
      },
      attempt: async (refreshToken, onRotated) => {
        // While the intent was being sealed, the vault may have been locked, or the daemon told to end.
        if (!isStarted) inputs();
        isStarted = true;
        const sent = { ...secrets, [secret]: refreshToken };
        return await this.#requestToken(slot, now, sent, { onRotated });
      },
    };
  }

  /** Sends one token request. */
  async #requestToken(
    { target }: TokenSlot,
    { settings, grant, record, held }: TokenRequestInputs,
    secrets: Readonly<Record<string, string>>,
    { codeAt, onRotated }: RequestOptions,
  ): Promise<TokenResponse> {
    const { http, clock, time, issuerClocks } = this.#deps;
    const rotates = rotatingSecret(settings);
    const isRotating =
      rotates !== undefined && (secrets[rotates] !== undefined || !obtainsRotating(settings));
    const limitMs = isRotating ? ROTATING_TIMEOUT_MS : TOKEN_TIMEOUT_MS;
    const sent = time.now();
    // The limit is that of all requests of a sequence together.
    const leftMs = () => Math.max(1, Math.ceil(limitMs - (time.now().boot - sent.boot)));
    const options = {
      ...{ http, clock, clocks: issuerClocks, credential: settings.name },
      hidden: [...Object.values(secrets), ...held],
      allowInsecureHttp: settings.allowInsecureHttp,
      isOwnAddress: !usesMetadata(settings),
      // On a reused connection, which its server may have closed unheard, the refresh token could be lost,
      // and a one-time code could be sent twice.
      freshConnection: isRotating || codeAt !== undefined,
      certificate: clientCertificate(settings.own, secrets),
      ...omitUndefined({ ca: settings.ca }),
    };
    const send: SendToIssuer = (request) =>
      createIssuerSend({ ...options, timeoutMs: leftMs() })(request);
    const context = acquireContext({
      ...{ settings, record, secrets, held, now: sent.wall, send },
      dpop: dpopFor(settings, record, this.#deps.dpopNonces),
    });
    const request = grant.acquire({
      ...{ ...context, ...target },
      ...omitUndefined({ codeAt, onRotated }),
    });
    const acquired = await request.catch((error) => {
      this.#isMetadataStale = error instanceof AuthdError && isLastingFailure(error);
      throw error;
    });
    return { acquired, sent, answered: time.now() };
  }

  /** Waits for the next one-time code, until the registry's timer ends the pause. */
  async #pause(pendingRefresh: PendingRefresh, ms: number): Promise<void> {
    const ended = new Promise<void>((resolve) => {
      const end = () => {
        pendingRefresh.pause = undefined;
        resolve();
      };
      pendingRefresh.pause = { untilBootMs: this.#deps.time.now().boot + ms, end };
    });
    this.count--;
    this.#onPause();
    await ended;
    this.count++;
  }
}

/**
 * Takes a refresh token that the issuer refused out of the record, so that a sign-in follows. Throws `error` if it is
 * no refusal.
 */
function dropRefused(
  { record, settings, secrets: sent }: TokenRequestInputs,
  { key }: TokenSlot,
  error: unknown,
): undefined {
  const isRefusal = error instanceof AuthdError && error.contact?.refusal !== undefined;
  // Of a caller's own request the scope may be what is refused.
  const isAboutToken = isRefusal && (key === "" || error.oauth?.error === "invalid_grant");
  if (!isAboutToken) throw error;
  const rotates = rotatingSecret(settings) ?? "";
  // An answer of the same renewal may have replaced it before another one refused.
  if (record.secrets[rotates] !== (rotatedIn(error) ?? sent[rotates])) return;
  const { [rotates]: _, ...secrets } = record.secrets;
  record.secrets = secrets;
  delete record.rotation;
}

export function hostOf(url: string | undefined): string | undefined {
  return url === undefined ? undefined : new URL(url).host;
}

/** Digest of everything a token depends on but for secrets: one obtained with other settings is not used. */
export function acquisitionDigest(settings: CredentialSettings): string {
  const { grant, own, fields, ca, ttl, lifetime } = settings;
  return createHash("sha256")
    .update(JSON.stringify([grant, own, fields, ca, ttl, ...(lifetime ? [lifetime] : [])]))
    .digest("base64url");
}
