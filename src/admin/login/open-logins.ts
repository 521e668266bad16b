import type { Clock, Timer } from "../../base/clock.ts";
import type { Credential } from "../../credential/credential.ts";
import type { AuthdError } from "../../errors.ts";
import type { LoginFlow, SignInDemand } from "../../protocol.ts";
import { loginErrors, noSuchLogin } from "./login-errors.ts";
import type { OpenLogin } from "./open-login.ts";

/** For so long after its end a client that comes late still learns how a sign-in ended. */
const KEPT_MS = 30_000;

/** The sign-ins under way: at most one a credential, which everybody who asks for one joins. */
export class OpenLogins {
  readonly #clock: Clock;
  /** By credential. */
  readonly #open = new Map<string, OpenLogin>();
  /** By id; those that have ended stay for a while. */
  readonly #known = new Map<string, OpenLogin>();
  /** Timers that forget those that have ended. */
  readonly #timers = new Set<Timer>();
  #isClosed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Returns the sign-in of a credential that is not over, and that still brings something. */
  current(credential: Credential): OpenLogin | undefined {
    const login = this.#open.get(credential.name);
    return login?.isOver === false && login.isFor(credential) ? login : undefined;
  }

  /** Returns the sign-in to join; undefined if there is none, or one in another way or for something else. */
  joinable(
    credential: Credential,
    how: LoginFlow | undefined,
    demand: SignInDemand,
  ): OpenLogin | undefined {
    const current = this.current(credential);
    if (!current || (how !== undefined && how !== current.how)) return undefined;
    const asked = Object.entries(demand);
    return asked.every(([key, value]) => current.demand[key as keyof SignInDemand] === value)
      ? current
      : undefined;
  }

  /** Adds a sign-in, which ends the one before. */
  add(login: OpenLogin): void {
    const { credential } = login;
    this.#open.get(credential)?.fail(loginErrors.replaced(credential));
    this.#open.set(credential, login);
    this.#known.set(login.id, login);
    const forget = () => this.#forgetLater(login);
    login.ended.then(forget, forget);
    if (this.#isClosed) login.fail(loginErrors.ending(credential));
  }

  /** Throws AuthdError `invalid_params`. */
  find(id: string): OpenLogin {
    const login = this.#known.get(id);
    if (login) return login;
    throw noSuchLogin();
  }

  /** Ends all of them, each with an error of its own. */
  failAll(errorFor: (credential: string) => AuthdError): void {
    for (const login of this.#open.values()) login.fail(errorFor(login.credential));
  }

  /** Ends all of them: the daemon ends. */
  close(): void {
    this.#isClosed = true;
    for (const timer of this.#timers) timer.cancel();
    this.failAll(loginErrors.ending);
  }

  #forgetLater(login: OpenLogin): void {
    if (this.#open.get(login.credential) === login) this.#open.delete(login.credential);
    if (this.#isClosed) return;
    const timer = this.#clock.schedule(KEPT_MS, () => {
      this.#timers.delete(timer);
      this.#known.delete(login.id);
    });
    this.#timers.add(timer);
  }
}
