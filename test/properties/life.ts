/** One credential's life on a simulated clock, watched. */
import { Readable } from "node:stream";
import { seeded } from "../../bench/helpers/random.ts";
import { SimulatedClock } from "../../bench/simulation/clock.ts";
import { Timekeeper } from "../../src/base/timekeeper.ts";
import { resolveCredential } from "../../src/config/config.ts";
import type { Credential } from "../../src/credential/credential.ts";
import { HostLimiter } from "../../src/credential/host-limiter.ts";
import { OneTimeCodes } from "../../src/credential/one-time-codes.ts";
import type { CredentialRecord } from "../../src/credential/record.ts";
import { Registry } from "../../src/credential/registry.ts";
import type { GetTokenOptions } from "../../src/credential/slow-path.ts";
import { SpendingRequests } from "../../src/credential/spending-requests.ts";
import { AuthdError } from "../../src/errors.ts";
import { HttpFailure, type HttpResponse } from "../../src/http/http.ts";
import { IssuerClocks } from "../../src/http/issuer-clock.ts";
import type { Vault } from "../../src/vault/vault.ts";
import { jwt } from "../helpers/acquire.ts";
import { NO_CANDIDATES } from "../helpers/no-candidates.ts";
import { demand } from "./property.ts";
import type { Told } from "./timing.ts";

/** What can happen. All durations are milliseconds. */
export type Step =
  | { kind: "issuer"; told: Told }
  | { kind: "ask"; options: GetTokenOptions }
  | { kind: "pass" | "sleep" | "step"; ms: number };

/** authd asks no issuer more often than this (ms) by itself. */
const LEAST_PACE = 400;
/** Nor sooner than this (ms) after a failure. */
const LEAST_BACKOFF = 950;
/** The boot clock tells hundredths of a second; what is sampled may be carried on a little. */
const COARSE = 1_600;

export class Life {
  readonly #clock: SimulatedClock;
  readonly #registry: Registry;
  readonly #credential: Credential;
  /** By token: true time from which it must not be served. */
  readonly #ends = new Map<string, number>();
  #told: Told = { expires_in: 3_600 };
  /** True time of the last request that nobody asked for; how many there were. */
  #askedByItself = Number.NEGATIVE_INFINITY;
  #isAsking = false;
  /** A lost answer is asked for once more at once. */
  #mayRepeat = false;
  /** What that request came to. */
  #hasFailed = false;
  #count = 0;
  #problem: string | undefined;

  constructor(grant: "client_credentials" | "refresh_token", more: object, seed: number) {
    this.#clock = new SimulatedClock(seeded(seed));
    const quiet = () => {};
    const file = { grant, token_url: "https://issuer.example/token", client_id: "app" };
    const about = { ...file, client_auth: "none", ...more };
    const settings = resolveCredential("demo", about, {}, { configDir: "/nowhere" });
    const secrets = { refresh_token: "refresh-0" };
    const time = new Timekeeper(this.#clock);
    this.#registry = new Registry({
      clock: this.#clock,
      time,
      http: () => this.#answer(),
      hostLimiter: new HostLimiter(),
      codes: new OneTimeCodes(),
      candidates: NO_CANDIDATES,
      issuerClocks: new IssuerClocks(time),
      spendingRequests: new SpendingRequests(),
      vault: memory({ secrets, binding: settings.binding, tokens: [] }),
      log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
      onEvent: quiet,
    });
    this.#credential = this.#registry.add(settings);
    this.#registry.tick();
  }

  async take(step: Step): Promise<void> {
    if (step.kind === "issuer") this.#told = step.told;
    else if (step.kind === "ask") await this.#ask(step.options);
    else if (step.kind === "pass") await this.#pass(step.ms);
    else if (step.kind === "sleep") this.#clock.suspend(step.ms);
    else this.#clock.stepWall(step.ms);
    await this.#settle();
    this.#look();
    demand(this.#problem === undefined, this.#problem ?? "");
  }

  end(): void {
    this.#registry.close();
  }

  async #ask(options: GetTokenOptions): Promise<void> {
    this.#isAsking = true;
    try {
      const { accessToken } = await this.#credential.token({ ...options, timeoutMs: 30_000 });
      const over = this.#clock.truth - (this.#ends.get(accessToken) ?? Number.NaN);
      demand(over < COARSE, `served ${over} ms after its end`);
    } catch (error) {
      demand(error instanceof AuthdError && error.reason !== "internal", `${error}`);
      const { retryAfterMs } = error;
      demand(retryAfterMs === undefined || isCount(retryAfterMs), `retryAfterMs ${retryAfterMs}`);
    } finally {
      this.#isAsking = false;
    }
  }

  async #pass(ms: number): Promise<void> {
    const end = this.#clock.truth + ms;
    for (let rings = 0; this.#clock.next(end); rings++) {
      await this.#settle();
      demand(rings < 20 + ms / 100, `${rings} rings of the timer in ${ms} ms`);
    }
    this.#clock.truth = end;
  }

  async #settle(): Promise<void> {
    do await new Promise((resolve) => setImmediate(resolve));
    while (this.#registry.pendingRefreshes > 0);
  }

  /** What people are shown: no number that is none. */
  #look(): void {
    const info = this.#credential.info();
    const { expiresAt, refreshAt, retryAt = null, lastRefreshAt = null } = info;
    for (const at of [expiresAt, refreshAt, retryAt, lastRefreshAt]) {
      demand(at === null || isCount(at), `a time of ${at} in ${JSON.stringify(info)}`);
    }
    demand(isCount(info.refreshCount) && isCount(info.failureCount), JSON.stringify(info));
    const isPlanned = info.state === "ready" && expiresAt !== null && refreshAt !== null;
    if (!isPlanned || expiresAt < this.#clock.wall()) return;
    // After a jump of the clock renewals are spread over some seconds.
    demand(refreshAt <= expiresAt + 6_000, `planned for after its end: ${JSON.stringify(info)}`);
  }

  async #answer(): Promise<HttpResponse> {
    this.#watchPace();
    const { fails, status = 200, date, retryAfter } = this.#told;
    const code = "ECONNRESET";
    if (fails) throw new HttpFailure("No connection.", { code, sent: fails === "lost" });
    const headers = {
      ...(date === undefined ? {} : { date }),
      ...(retryAfter === undefined ? {} : { "retry-after": retryAfter }),
    };
    const body = Readable.from([Buffer.from(status === 200 ? this.#token() : "{}")]);
    return { status, statusText: "", headers, body, connection: {}, reused: false };
  }

  #watchPace(): void {
    this.#count++;
    if (this.#isAsking) return;
    const pace = this.#clock.truth - this.#askedByItself;
    const isRepeated = this.#mayRepeat && pace === 0;
    this.#mayRepeat = !isRepeated && this.#told.fails === "lost";
    this.#askedByItself = this.#clock.truth;
    if (isRepeated) return;
    const least = this.#hasFailed ? LEAST_BACKOFF : LEAST_PACE;
    this.#hasFailed = this.#told.fails !== undefined || (this.#told.status ?? 200) !== 200;
    if (pace < least) this.#problem = `asked the issuer again after ${pace} ms`;
  }

  #token(): string {
    const { expires_in, refresh_in, refresh_expires_in, exp, iat, rotates } = this.#told;
    const access_token = jwt({ exp, iat, jti: this.#count });
    const isNumber = typeof expires_in === "number" && expires_in >= 0;
    const lifetime = isNumber ? expires_in * 1_000 : Number.POSITIVE_INFINITY;
    this.#ends.set(access_token, this.#clock.truth + lifetime);
    const refresh_token = rotates ? `refresh-${this.#count}` : undefined;
    const lifetimes = { expires_in, refresh_in, refresh_expires_in };
    return JSON.stringify({ access_token, refresh_token, ...lifetimes });
  }
}

const isCount = (number: number) => Number.isSafeInteger(number) && number >= 0;

/** A vault that forgets. */
function memory(record: CredentialRecord): Vault<CredentialRecord> {
  const contents = new Map([["demo", JSON.stringify(record)]]);
  return {
    keySource: "file",
    locked: undefined,
    ensure: async () => false,
    names: () => [...contents.keys()],
    knows: (name) => contents.has(name),
    isGuarded: () => false,
    anyGuarded: () => undefined,
    read: (name) => {
      const json = contents.get(name);
      return json === undefined ? undefined : (JSON.parse(json) as CredentialRecord);
    },
    write: async (name, content) => void contents.set(name, JSON.stringify(content)),
    remove: async (name) => void contents.delete(name),
    unlock: async () => true,
    release: async () => {},
    close: async () => {},
  };
}
