/** Takes the one answer of an authorization request: from a browser, or pasted by a person. */
import { AuthdError } from "../../errors.ts";
import {
  type AuthorizationRequest,
  answers,
  authorizationRequest,
  codeIn,
  exchangeCode,
  isAtRedirectUri,
} from "../../grants/login/index.ts";
import { assertSecurePage, contextNow, type FlowHost } from "./flow.ts";

/** An answer that is somebody else's, or one too many, changes nothing. `completed` rejects with AuthdError. */
type Taken =
  | { kind: "foreign" }
  | { kind: "answered" }
  | { kind: "taken"; completed: Promise<void> };

export class OneAnswer {
  readonly #host: FlowHost;
  #request: AuthorizationRequest | undefined;
  #isAnswered = false;

  constructor(host: FlowHost) {
    this.#host = host;
  }

  /** Returns the address that the browser opens. Rejects with AuthdError. */
  async begin(redirectUri: string): Promise<string> {
    this.#request = await authorizationRequest(contextNow(this.#host), redirectUri);
    const { url } = this.#request;
    assertSecurePage(this.#host.start, url, "authorization_url");
    return url;
  }

  take(parameters: URLSearchParams): Taken {
    const request = this.#request;
    if (!request || !answers(request, parameters)) return { kind: "foreign" };
    if (this.#isAnswered) return { kind: "answered" };
    this.#isAnswered = true;
    return { kind: "taken", completed: this.#complete(request, parameters) };
  }

  /** Takes the address that the browser ended at. Rejects with AuthdError. */
  async takePasted(text: string): Promise<void> {
    const { credential } = this.#host.start.context;
    const redirectUri = this.#request?.redirectUri ?? "";
    const pasted = text.trim();
    const address = URL.canParse(pasted) ? new URL(pasted) : undefined;
    if (!address || !isAtRedirectUri(redirectUri, address)) {
      const why = `it must be the whole address that the browser ended at, which begins with ${redirectUri}`;
      throw unfit(credential, why);
    }
    const taken = this.take(address.searchParams);
    if (taken.kind === "foreign") throw unfit(credential, "it belongs to another sign-in (state)");
    if (taken.kind === "answered") throw unfit(credential, "the sign-in has its answer already");
    await taken.completed;
  }

  /** Exchanges the answer, and puts the tokens in force. */
  async #complete(request: AuthorizationRequest, parameters: URLSearchParams): Promise<void> {
    const host = this.#host;
    host.progress("exchanging");
    try {
      const code = await codeIn(contextNow(host), request, parameters);
      const sent = host.time.now();
      const signedIn = await exchangeCode(contextNow(host), request, code);
      await host.complete({ signedIn, start: host.start, sent, answered: host.time.now() });
    } catch (error) {
      host.fail(error);
      throw error;
    }
  }
}

/** The text itself is not repeated: it may hold a code. */
function unfit(credential: string, why: string): AuthdError {
  return new AuthdError("invalid_params", `${credential}: this address is not used: ${why}`, {
    credential,
  });
}
