/** Answers `getToken`. */
import type { Access, Wish } from "../access/access.ts";
import type { Use } from "../access/policy.ts";
import type { LoginClient, LoginService } from "../admin/login/login-service.ts";
import type { Permit } from "../admin/token-files/token-files.ts";
import type { Cancellation } from "../base/cancellation.ts";
import { normalizeScope } from "../base/scope.ts";
import { quoted } from "../base/terminal-safe.ts";
import type { Credential } from "../credential/credential.ts";
import type { IssuedToken } from "../credential/issued-token.ts";
import type { TokenTarget } from "../credential/record.ts";
import type { Registry } from "../credential/registry.ts";
import type { GetTokenOptions } from "../credential/slow-path.ts";
import { ownAudience } from "../credential/token-slot.ts";
import { AuthdError } from "../errors.ts";
import { DEFAULT_TIMEOUT_MS, type GetTokenResult, type ParamsOf } from "../protocol.ts";
import type { Call } from "../rpc/call.ts";
import { isOwnUser } from "../rpc/peer.ts";

/** Synchronous when the token is cached and nothing limits it: the answer is not a promise then. */
export function getToken(
  registry: Registry,
  access: Access,
  given: ParamsOf<"getToken">,
  call: Call,
): GetTokenResult | Promise<GetTokenResult> {
  const credential = registry.get(given.credential);
  const decision = access.authorizeUse(
    credential,
    () => tokenUse(credential, given),
    () => wishOf(given),
    call,
  );
  if (decision instanceof Promise) return decision.then(() => tokenOf(credential, given, call));
  return tokenOf(credential, given, call);
}

interface Interactive {
  registry: Registry;
  access: Access;
  logins: LoginService;
}

/** Does `work`; once more after a person has signed in, if that is what it lacked. */
export async function interactively<Result>(
  { registry, access, logins }: Interactive,
  {
    credential,
    timeoutMs = DEFAULT_TIMEOUT_MS,
  }: { credential: string; timeoutMs?: number | undefined },
  call: Call,
  work: () => Result | Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    const isMissing = error instanceof AuthdError && error.reason === "login_required";
    // By a restricted socket, too: the person is on the daemon's side.
    if (!isMissing || !isOwnUser(call.peer)) throw error;
    if (!registry.get(credential).info().login) throw error;
    if (!(await logins.interactive(credential, loginClient(access, call), timeoutMs))) throw error;
  }
  return await work();
}

/** Signs a person in if that is what the token lacks, and the caller is the daemon's user. */
export async function interactiveToken(
  options: Interactive,
  given: ParamsOf<"getToken">,
  call: Call,
): Promise<GetTokenResult> {
  const { registry, access } = options;
  return await interactively(options, given, call, () => getToken(registry, access, given, call));
}

/** Describes a request for a token to the person who may have to allow it. */
function wishOf({ scope, audience }: ParamsOf<"getToken">): Wish {
  if (scope === undefined && audience === undefined) return { what: "its token" };
  const named = Object.entries({ scope, audience }).filter(([, value]) => value !== undefined);
  const more = named.map(([name, value]) => `${name} ${quoted(value!)}`);
  // Quoted values may be shortened.
  const exact = JSON.stringify([scope, audience]);
  return { what: `a token with ${more.join(" and ")}`, exact };
}

function tokenOf(
  credential: Credential,
  given: ParamsOf<"getToken">,
  call: Call,
): GetTokenResult | Promise<GetTokenResult> {
  const isForRequest = given.method !== undefined || given.url !== undefined;
  if (isForRequest) return proven(credential, given, call);
  const issued = credential.token(new GetTokenParams(given, call));
  if (issued instanceof Promise) return issued.then((token) => handOut(credential, token));
  return handOut(credential, issued);
}

/** Returns the token with the headers for one request, where the credential signs requests. */
async function proven(
  credential: Credential,
  given: ParamsOf<"getToken">,
  call: Call,
): Promise<GetTokenResult> {
  const { method, url = "" } = given;
  const isWeb = URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);
  const isMethod = method !== undefined && /^[!#$%&'*+.^_`|~\w-]+$/.test(method);
  if (!isWeb || !isMethod) {
    const text = "method and url go together: an HTTP method, and a complete http: or https: URL";
    throw new AuthdError("invalid_params", text, { credential: credential.name });
  }
  const issued = await credential.token(new GetTokenParams(given, call));
  const answer = handOut(credential, issued);
  const dpop = await credential.prover?.prove(method, url, issued.accessToken);
  return dpop === undefined ? answer : { ...answer, headers: { ...answer.headers, dpop } };
}

function handOut(credential: Credential, issued: IssuedToken): GetTokenResult {
  credential.recordUsed(issued);
  return issued.answer;
}

function tokenUse({ settings }: Credential, given: ParamsOf<"getToken">): Use {
  return { kind: "token", ...reachOf(settings.own, given.scope, given.audience) };
}

/** Lets the rules of a credential, and a person, decide about a file with its token. */
export function tokenFilePermit(access: Access, call: Call): Permit {
  return (credential, { path, scope, audience }) => {
    const use: Use = { kind: "token", ...reachOf(credential.settings.own, scope, audience) };
    const what = `keep its token in the file ${quoted(path)} from now on`;
    return access.authorizeLastingUse("tokenFiles/add", credential, use, call, what);
  };
}

/** A caller of a sign-in, which goes on after the call is answered. */
export function loginClient(access: Access, call: Call): LoginClient {
  const { connection, peer, signal } = call;
  return {
    ...{ connection, signal },
    notify: (name, params) => call.notify(name, params),
    consent: (until) => (restricted, what) =>
      access.authorizeChange("login/start", restricted, { connection, peer, signal: until }, what),
  };
}

/** Returns scope and audience of a use; the credential's own where the caller names none. */
export function reachOf(own: unknown, scope?: string, audience?: string) {
  const known = own as TokenTarget;
  return {
    scope: normalizeScope(scope ?? known.scope ?? ""),
    audience: audience ?? ownAudience(own) ?? "",
  };
}

/** The call's signal is made only if somebody waits for it. */
class GetTokenParams implements GetTokenOptions {
  readonly minValidity: number | undefined;
  readonly scope: string | undefined;
  readonly audience: string | undefined;
  readonly forceRefresh: boolean | undefined;
  readonly rejectedToken: string | undefined;
  readonly timeoutMs: number;
  readonly #call: Call;

  constructor(given: ParamsOf<"getToken">, call: Call) {
    const { minValidity } = given;
    this.minValidity = minValidity === undefined ? undefined : minValidity * 1_000;
    this.scope = given.scope;
    this.audience = given.audience;
    this.forceRefresh = given.forceRefresh;
    this.rejectedToken = given.rejectedToken;
    this.timeoutMs = given.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#call = call;
  }

  get signal(): Cancellation {
    return this.#call.signal;
  }
}
