import { type Clock, scheduleLong } from "../../base/clock.ts";
import { hasScreen, openBrowser } from "../../base/open-browser.ts";
import { quoted } from "../../base/terminal-safe.ts";
import type { Timekeeper } from "../../base/timekeeper.ts";
import type { Credential } from "../../credential/credential.ts";
import type { Registry } from "../../credential/registry.ts";
import type { LoginOutcome } from "../../credential/sign-in.ts";
import { AuthdError } from "../../errors.ts";
import { grantNamed } from "../../grants/index.ts";
import type {
  CredentialInfo,
  EventPayload,
  LoginFlow,
  LoginStarted,
  ParamsOf,
} from "../../protocol.ts";
import type { ChangeQueue } from "../change-queue.ts";
import { type Consent, ifRestricted } from "../consent.ts";
import { browserFlow, pasteFlow } from "./browser-flow.ts";
import { deviceFlow } from "./device-flow.ts";
import type { Flow, FlowHost } from "./flow.ts";
import { type LogoutResult, logout } from "./logout.ts";
import { type LoginCaller, OpenLogin } from "./open-login.ts";

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
  consent(signal: AbortSignal): Consent;
  readonly signal: AbortSignal;
}

const FLOWS: Readonly<Record<LoginFlow, (host: FlowHost) => Promise<Flow>>> = {
  browser: browserFlow,
  device: deviceFlow,
  paste: pasteFlow,
};

/** For so long after its end a client that comes late still learns how a sign-in ended. */
const KEPT_MS = 30_000;
/** After a sign-in that a program began has failed, programs open no other tab for so long. */
const INTERACTIVE_PAUSE_MS = 10 * 60_000;

/**
 * Signs people in: at most one sign-in a credential is open, which everybody who asks for one joins. What
 * proves its answer (verifier, state, nonce) stays here.
 */
export class LoginService {
  readonly #options: LoginServiceOptions;
  /** By credential. */
  readonly #open = new Map<string, OpenLogin>();
  /** By id; those that have ended stay for a while, so that a client still learns how. */
  readonly #known = new Map<string, OpenLogin>();
  /** Boot time (ms) until which programs begin no sign-in, by credential. */
  readonly #pausedUntil = new Map<string, number>();

  constructor(options: LoginServiceOptions) {
    this.#options = options;
  }

  async start(
    { credential: name, how, open = false }: ParamsOf<"login/start">,
    client: LoginClient,
  ): Promise<LoginStarted> {
    await this.#assertAgreed(name, client);
    const { login, isNew } = this.#joinOrBegin(name, how, client);
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
    const login = this.#find(id);
    login.join(client);
    if (redirected !== undefined) await login.redirected(redirected);
    return await login.ended;
  }

  /** Ends a sign-in, unless other clients wait for it. */
  cancel({ login: id }: ParamsOf<"login/cancel">, client: LoginCaller): void {
    const login = this.#find(id);
    login.leave(client);
    if (login.isAbandoned) login.fail(cancelled(login.credential));
  }

  /**
   * Signs in for a program that needs a token, if a person is at the screen: false if not, or if a sign-in
   * that a program began has just failed. Rejects with the AuthdError of the sign-in.
   */
  async interactive(name: string, client: LoginClient, timeoutMs: number): Promise<boolean> {
    const { env, time, clock } = this.#options;
    const isPaused = (this.#pausedUntil.get(name) ?? 0) > time.now().boot;
    if (!this.#current(name) && (isPaused || !hasScreen(env))) return false;
    await this.#assertAgreed(name, client);
    const { login, isNew } = this.#joinOrBegin(name, undefined, client);
    const pause = () => this.#pausedUntil.set(name, time.now().boot + INTERACTIVE_PAUSE_MS);
    if (isNew) login.ended.catch(pause);
    const { url } = await login.begun;
    if (isNew && url && !(await openBrowser(url, env))) login.fail(noBrowser(name));
    await within(clock, timeoutMs, login.ended, () => notDone(name));
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

  /** Ends all sign-ins: the daemon ends. */
  close(): void {
    for (const login of this.#open.values()) {
      const message = `${login.credential}: authd ends before the sign-in is done`;
      login.fail(new AuthdError("shutting_down", message, { credential: login.credential }));
    }
  }

  #current(name: string): OpenLogin | undefined {
    const login = this.#open.get(name);
    return login?.isOver === false ? login : undefined;
  }

  async #assertAgreed(name: string, client: LoginClient): Promise<void> {
    const { registry, changes } = this.#options;
    await changes.runOpenWithConsent(client.consent(client.signal), async (needs) => {
      registry.get(name);
      needs(ifRestricted(registry, name));
    });
  }

  #joinOrBegin(name: string, how: LoginFlow | undefined, client: LoginClient) {
    const current = this.#current(name);
    if (current && (how === undefined || how === current.how)) {
      return { login: current, isNew: false };
    }
    const credential = this.#options.registry.get(name);
    const chosen = flowFor(credential, how);
    current?.fail(replaced(name));
    const login = new OpenLogin(name, chosen, this.#options.clock, (own) =>
      this.#begin(own, credential, client),
    );
    this.#open.set(name, login);
    this.#known.set(login.id, login);
    login.ended.catch(() => {}).finally(() => this.#forgetLater(login));
    return { login, isNew: true };
  }

  async #begin(login: OpenLogin, credential: Credential, client: LoginClient): Promise<Flow> {
    const { clock, time } = this.#options;
    const start = await credential.loginStart();
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
      if (login.isOver) throw cancelled(name);
      if (registry.get(name) !== credential) throw replaced(name);
      const before = credential.replacedAccount(outcome.signedIn);
      const isOther = before ? name : undefined;
      needs(isOther, () => `login as ${nameOf(account)}, until now ${nameOf(before)}`);
      await credential.signIn(outcome);
    });
    onEvent({ kind: "signed_in", credential: name, ...(account && { message: nameOf(account) }) });
    login.succeed(credential.info());
  }

  #find(id: string): OpenLogin {
    const login = this.#known.get(id);
    if (login) return login;
    throw new AuthdError(
      "invalid_params",
      "There is no such sign-in: it ended a while ago, or authd was restarted; begin another (authd login NAME)",
    );
  }

  #forgetLater(login: OpenLogin): void {
    const { clock } = this.#options;
    if (this.#open.get(login.credential) === login) this.#open.delete(login.credential);
    clock.schedule(KEPT_MS, () => this.#known.delete(login.id));
  }
}

function flowFor({ name, settings }: Credential, how: LoginFlow | undefined): LoginFlow {
  const flows = grantNamed(settings.grant).signsIn ?? [];
  const chosen = how ?? flows[0];
  if (chosen !== undefined && flows.includes(chosen)) return chosen;
  const why =
    flows.length === 0
      ? `nobody signs in for the grant ${settings.grant}: its secrets are entered with authd set ${name}`
      : `the grant ${settings.grant} signs in by ${flows.join(", ")} only`;
  throw new AuthdError("invalid_params", `${name}: ${why}`, { credential: name });
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

function cancelled(name: string): AuthdError {
  return new AuthdError("cancelled", `${name}: the sign-in was ended`, { credential: name });
}

function replaced(name: string): AuthdError {
  const message = `${name}: another sign-in was begun in place of this one`;
  return new AuthdError("cancelled", message, { credential: name });
}

function noBrowser(name: string): AuthdError {
  return new AuthdError(
    "login_required",
    `${name}: no browser could be opened; sign in with: authd login ${name}`,
    { credential: name },
  );
}

function notDone(name: string): AuthdError {
  return new AuthdError(
    "timeout",
    `${name}: the sign-in in the browser is not done yet; ask again when it is`,
    { credential: name },
  );
}
