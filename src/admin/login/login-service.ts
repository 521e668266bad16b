import type { Cancellation } from "../../base/cancellation.ts";
import { type Clock, scheduleLong } from "../../base/clock.ts";
import { omitUndefined } from "../../base/omit-undefined.ts";
import { hasScreen, openBrowser } from "../../base/open-browser.ts";
import { quoted } from "../../base/terminal-safe.ts";
import type { Timekeeper } from "../../base/timekeeper.ts";
import type { Credential } from "../../credential/credential.ts";
import type { Registry } from "../../credential/registry.ts";
import type { LoginOutcome } from "../../credential/sign-in.ts";
import type { AuthdError } from "../../errors.ts";
import { grantNamed } from "../../grants/index.ts";
import type {
  CredentialInfo,
  EventPayload,
  LoginFlow,
  LoginStarted,
  ParamsOf,
  SignInDemand,
} from "../../protocol.ts";
import type { ChangeQueue } from "../change-queue.ts";
import { type Consent, ifRestricted } from "../consent.ts";
import { browserFlow, pasteFlow } from "./browser-flow.ts";
import { checkedDemand, flowFor } from "./choose-flow.ts";
import { deviceFlow } from "./device-flow.ts";
import type { Flow, FlowHost } from "./flow.ts";
import { loginErrors } from "./login-errors.ts";
import { type LogoutResult, logout } from "./logout.ts";
import { type LoginCaller, OpenLogin } from "./open-login.ts";
import { OpenLogins } from "./open-logins.ts";

export interface LoginServiceOptions {
  registry: Registry;
  changes: ChangeQueue;
  clock: Clock;
  time: Timekeeper;
  env: NodeJS.ProcessEnv;
  onEvent: (event: EventPayload) => void;
}

/** A client, and how a person is asked about its changes; the question is withdrawn with the signal. */
export interface LoginClient extends LoginCaller {
  consent(signal: Cancellation): Consent;
  readonly signal: Cancellation;
}

const FLOWS: Readonly<Record<LoginFlow, (host: FlowHost) => Promise<Flow>>> = {
  browser: browserFlow,
  device: deviceFlow,
  paste: pasteFlow,
};

/** After a sign-in that a program began has failed, programs open no other tab for so long. */
const INTERACTIVE_PAUSE_MS = 10 * 60_000;

/**
 * Signs people in: at most one sign-in a credential is open, which everybody who asks for one joins. What
 * proves its answer (verifier, state, nonce) stays here.
 */
export class LoginService {
  readonly #options: LoginServiceOptions;
  readonly #logins: OpenLogins;
  /** Boot time (ms) until which programs begin no sign-in, by credential. */
  readonly #pausedUntil = new Map<string, number>();

  constructor(options: LoginServiceOptions) {
    this.#options = options;
    this.#logins = new OpenLogins(options.clock);
  }

  async start(
    { credential: name, how, open = false, scope, acrValues, maxAge }: ParamsOf<"login/start">,
    client: LoginClient,
  ): Promise<LoginStarted> {
    await this.#assertAgreed(name, client);
    const demand = checkedDemand(name, omitUndefined({ scope, acrValues, maxAge }));
    const { login, isNew } = this.#joinOrBegin(name, { how, demand }, client);
    login.join(client);
    const started = await login.begun;
    this.#pausedUntil.delete(name);
    client.notify("login/progress", { login: login.id, state: "waiting" }).catch(() => {});
    if (open && isNew && started.url) void openBrowser(started.url, this.#options.env);
    return isNew ? started : { ...started, joined: true };
  }

  /** Waits for the end of a sign-in; `redirected` is the address that the browser ended at. */
  async finish(
    { login: id, redirected }: ParamsOf<"login/finish">,
    client: LoginCaller,
  ): Promise<CredentialInfo> {
    const login = this.#logins.find(id);
    login.join(client);
    if (redirected !== undefined) await login.redirected(redirected);
    return await login.ended;
  }

  /** Ends a sign-in, unless other clients wait for it. */
  cancel({ login: id }: ParamsOf<"login/cancel">, client: LoginCaller): void {
    const login = this.#logins.find(id);
    login.leave(client);
    if (login.isAbandoned) login.fail(loginErrors.cancelled(login.credential));
  }

  /**
   * Signs in for a program that needs a token, if a person is at the screen: false if not, or if a sign-in
   * that a program began has just failed. Rejects with the AuthdError of the sign-in.
   */
  async interactive(name: string, client: LoginClient, timeoutMs: number): Promise<boolean> {
    const { env, time, clock, registry } = this.#options;
    const current = () => this.#logins.current(registry.get(name));
    if (!current() && !this.#mayOpenBrowser(name)) return false;
    await this.#assertAgreed(name, client);
    const how = current()?.how ?? "browser";
    const { login, isNew } = this.#joinOrBegin(name, { how, demand: {} }, client);
    // A client that asks for a token alone is told of no progress.
    login.join({ connection: client.connection, notify: async () => {} });
    const pause = () => this.#pausedUntil.set(name, time.now().boot + INTERACTIVE_PAUSE_MS);
    if (isNew) login.ended.catch(pause);
    const { url } = await login.begun;
    if (isNew && url && !(await openBrowser(url, env))) login.fail(loginErrors.noBrowser(name));
    await within(clock, timeoutMs, login.ended, () => loginErrors.notDone(name));
    return true;
  }

  /** Revokes a sign-in's tokens at the issuer, and forgets them. */
  async logout(name: string, ask: Consent): Promise<LogoutResult> {
    const { registry, changes, onEvent } = this.#options;
    const needs = { asked: ask, restricted: () => ifRestricted(registry, name) };
    const result = await logout(registry.get(name), changes, needs);
    onEvent({ kind: "signed_out", credential: name, message: result.detail });
    return result;
  }

  /** Ends all sign-ins, which hold secrets in memory: the vault was locked. */
  onLocked(): void {
    this.#logins.failAll(loginErrors.locked);
  }

  /** Ends all sign-ins: the daemon ends. */
  close(): void {
    this.#logins.close();
  }

  #mayOpenBrowser(name: string): boolean {
    const { env, registry, time } = this.#options;
    const isPaused = (this.#pausedUntil.get(name) ?? 0) > time.now().boot;
    const flows = grantNamed(registry.get(name).settings.grant).signsIn ?? [];
    return flows.includes("browser") && !isPaused && hasScreen(env);
  }

  async #assertAgreed(name: string, client: LoginClient): Promise<void> {
    const { registry, changes } = this.#options;
    await changes.runOpenWithConsent(client.consent(client.signal), async (needs) => {
      registry.get(name);
      needs(ifRestricted(registry, name));
    });
  }

  #joinOrBegin(name: string, { how, demand }: Asked, client: LoginClient) {
    const credential = this.#options.registry.get(name);
    const joinable = this.#logins.joinable(credential, how, demand);
    if (joinable) return { login: joinable, isNew: false };
    const begun = { how: flowFor(credential, how, demand), demand };
    const login = new OpenLogin(credential, begun, this.#options.clock, (own) =>
      this.#begin(own, credential, client),
    );
    this.#logins.add(login);
    return { login, isNew: true };
  }

  async #begin(login: OpenLogin, credential: Credential, client: LoginClient): Promise<Flow> {
    const { clock, time } = this.#options;
    const start = await credential.loginStart(login.demand);
    let onAsked: () => void = () => {};
    const asked = new Promise<void>((resolve) => {
      onAsked = resolve;
    });
    const ask: Consent = async (restricted, what) => {
      onAsked();
      await client.consent(login.signal)(restricted, what);
    };
    return await FLOWS[login.how]({
      ...{ clock, time, start, asked },
      progress: (state) => login.progress(state),
      fail: (error) => login.fail(error),
      complete: (outcome) => this.#complete(login, credential, outcome, ask),
    });
  }

  /** Puts a sign-in in force; another account than before needs a person's consent. */
  async #complete(
    login: OpenLogin,
    credential: Credential,
    outcome: LoginOutcome,
    ask: Consent,
  ): Promise<void> {
    const { registry, changes, onEvent } = this.#options;
    const { name } = credential;
    const { account } = outcome.signedIn;
    await changes.runOpenWithConsent(ask, async (needs) => {
      if (login.isOver) throw loginErrors.cancelled(name);
      if (registry.get(name) !== credential) throw loginErrors.replaced(name);
      const before = credential.replacedAccount(outcome.signedIn);
      const isOther = before ? name : undefined;
      needs(isOther, () => `login as ${nameOf(account)}, until now ${nameOf(before)}`);
      await credential.signIn(outcome);
    });
    onEvent({ kind: "signed_in", credential: name, ...(account && { message: nameOf(account) }) });
    login.succeed(credential.info());
  }
}

/** A way of signing in, and what is asked for beyond the file. */
interface Asked {
  how: LoginFlow | undefined;
  demand: SignInDemand;
}

function nameOf(account: { sub: string; name?: string } | undefined): string {
  return account ? quoted(account.name ?? account.sub) : "an account that the issuer does not name";
}

/** Rejects with `late` after a time, or as `work` does. */
async function within<T>(
  clock: Clock,
  ms: number,
  work: Promise<T>,
  late: () => AuthdError,
): Promise<T> {
  return await new Promise<T>((resolve, reject) => {
    const timer = scheduleLong(clock, ms, () => reject(late()));
    work.then(resolve, reject).finally(() => timer.cancel());
  });
}
