/** One sign-in under way: who waits for it, when it ends, and how. */
import { randomBytes } from "node:crypto";
import { type Clock, scheduleLong, type Timer } from "../../base/clock.ts";
import type { CredentialSettings } from "../../config/settings.ts";
import type { Credential } from "../../credential/credential.ts";
import { isSameSignIn } from "../../credential/sign-in.ts";
import { AuthdError } from "../../errors.ts";
import type {
  CredentialInfo,
  LoginFlow,
  LoginStarted,
  Notifications,
  SignInDemand,
} from "../../protocol.ts";
import type { ConnectionHandle } from "../../rpc/call.ts";
import type { Flow } from "./flow.ts";
import { loginErrors } from "./login-errors.ts";

/** A client that takes part in a sign-in. */
export interface LoginCaller {
  readonly connection: ConnectionHandle;
  notify(name: "login/progress", params: Notifications["login/progress"]): Promise<void>;
}

type Progress = Notifications["login/progress"]["state"];

export class OpenLogin {
  readonly id = randomBytes(16).toString("base64url");
  readonly credential: string;
  readonly how: LoginFlow;
  /** What it asks for beyond the file. */
  readonly demand: SignInDemand;
  /** Settles with the end of the sign-in; rejects with AuthdError. */
  readonly ended: Promise<CredentialInfo>;
  /** Resolves when it has something to show; rejects with AuthdError if it could not begin. */
  readonly begun: Promise<LoginStarted>;
  readonly #owner: Credential;
  readonly #settings: CredentialSettings;
  readonly #ending = new AbortController();
  readonly #callers = new Map<ConnectionHandle, LoginCaller>();
  readonly #clock: Clock;
  #resolve: (info: CredentialInfo) => void = () => {};
  #reject: (error: unknown) => void = () => {};
  #flow: Flow | undefined;
  #expiry: Timer | undefined;

  /** `begin` begins the flow. */
  constructor(
    credential: Credential,
    { how, demand }: Pick<OpenLogin, "how" | "demand">,
    clock: Clock,
    begin: (login: OpenLogin) => Promise<Flow>,
  ) {
    this.credential = credential.name;
    this.#owner = credential;
    this.#settings = credential.settings;
    this.how = how;
    this.demand = demand;
    this.#clock = clock;
    this.ended = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // A sign-in that nobody waits for may fail, too.
    this.ended.catch(() => {});
    this.begun = this.#begin(begin);
    this.begun.catch((error) => this.fail(error));
  }

  /** Aborted when the sign-in ends. */
  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  get isOver(): boolean {
    return this.#ending.signal.aborted;
  }

  /** True if its outcome could be used: the credential is neither another one of that name, nor changed. */
  isFor(credential: Credential): boolean {
    return this.#owner === credential && isSameSignIn(this.#settings, credential.settings);
  }

  /** True if no client waits for it. */
  get isAbandoned(): boolean {
    return this.#callers.size === 0;
  }

  async #begin(begin: (login: OpenLogin) => Promise<Flow>): Promise<LoginStarted> {
    const flow = await begin(this);
    this.#flow = flow;
    const { expiresInMs, ...shown } = flow.shown;
    if (this.isOver) {
      flow.close();
      await this.ended;
    }
    this.#expiry = scheduleLong(this.#clock, expiresInMs, () =>
      this.fail(loginErrors.expired(this.credential)),
    );
    const expiresAt = Math.round(this.#clock.wall() + expiresInMs);
    return { login: this.id, how: this.how, ...shown, expiresAt };
  }

  /** Takes the address that the browser ended at. Rejects with AuthdError `invalid_params` for one that is not used. */
  async redirected(address: string): Promise<void> {
    if (this.#flow?.redirected) return await this.#flow.redirected(address);
    throw loginErrors.takesNoAddress(this.credential);
  }

  join(caller: LoginCaller): void {
    const { connection } = caller;
    if (this.#callers.has(connection)) return;
    this.#callers.set(connection, caller);
    connection.onClose(() => this.#callers.delete(connection));
  }

  leave({ connection }: Pick<LoginCaller, "connection">): void {
    this.#callers.delete(connection);
  }

  progress(state: Progress, error?: AuthdError): void {
    // The person was in time; the exchange, and a question to them, have limits of their own.
    if (state === "exchanging") this.#expiry?.cancel();
    const why = error && { reason: error.reason, message: error.message };
    for (const caller of this.#callers.values()) {
      caller.notify("login/progress", { login: this.id, state, ...why }).catch(() => {});
    }
  }

  succeed(info: CredentialInfo): void {
    if (this.isOver) return;
    this.#end();
    this.progress("done");
    this.#resolve(info);
  }

  fail(error: unknown): void {
    if (this.isOver) return;
    this.#end();
    this.progress("failed", error instanceof AuthdError ? error : undefined);
    this.#reject(error);
  }

  #end(): void {
    this.#ending.abort();
    this.#expiry?.cancel();
    this.#flow?.close();
  }
}
