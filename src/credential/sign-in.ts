/** Puts a person's sign-in in force, and forgets one. */
import { omitUndefined } from "../base/omit-undefined.ts";
import type { Moment } from "../base/timekeeper.ts";
import type { CredentialSettings } from "../config/settings.ts";
import { AuthdError } from "../errors.ts";
import { clientCertificate, grantNamed, rotatingSecret } from "../grants/index.ts";
import type { Account, LoginContext, SignedIn } from "../grants/login/index.ts";
import { createIssuerSend } from "../http/issuer.ts";
import type { SignInDemand } from "../protocol.ts";
import { acquireContext } from "./acquire-context.ts";
import { dpopFor } from "./dpop.ts";
import { ensureMetadata } from "./issuer-metadata.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { CredentialRecord } from "./record.ts";
import { enterSecrets } from "./record-changes.ts";
import { clearRefusals } from "./refusals.ts";
import { beginRotation } from "./rotation.ts";
import { unionOf } from "./step-up.ts";
import { acquisitionDigest } from "./token-requests.ts";

/** What a sign-in works with, and the settings that it began with. */
export interface LoginStart {
  context: LoginContext;
  settings: CredentialSettings;
  /** Scopes that it asks for beyond those of the file. */
  scope?: string;
}

/** The outcome of a sign-in, and when its last request was sent and answered. */
export interface LoginOutcome {
  signedIn: SignedIn;
  start: LoginStart;
  sent: Moment;
  answered: Moment;
}

/** Adds to a context what a sign-in is asked for beyond the file. */
function withDemand(context: LoginContext, { scope, acrValues, maxAge }: SignInDemand) {
  const { settings } = context;
  const extra = { ...settings.extra_authorization, acr_values: acrValues };
  return {
    ...context,
    settings: {
      ...settings,
      ...omitUndefined({ scope: scope && unionOf(settings.scope, scope), max_age: maxAge }),
      ...(acrValues === undefined ? {} : { extra_authorization: omitUndefined(extra) }),
    },
  } as LoginContext;
}

/**
 * Returns what a sign-in works with; `now` and `send` are those of this moment. Reads the issuer's metadata
 * anew. Rejects with AuthdError if the credential can't be used for a reason that no sign-in ends.
 */
export async function loginStart(life: Lifecycle, demand: SignInDemand = {}): Promise<LoginStart> {
  const { deps, settings, stored } = life;
  assertMaySignIn(life);
  const { record } = stored;
  if (!record) throw new Error(`${life.name} was not loaded`);
  const seal = () => stored.save(record, true);
  await ensureMetadata(deps, { settings, record, seal }, true).finally(() => life.recheck());
  // What the session of before may do stays possible.
  const scope = unionOf(record.session?.scope, demand.scope);
  const context = withDemand(issuerContext(life, settings, record), {
    ...demand,
    ...omitUndefined({ scope }),
  });
  return { context, settings, ...omitUndefined({ scope }) };
}

/** Returns what requests to the issuer beside token requests work with. */
export function issuerContext(
  { deps, tokens }: Lifecycle,
  settings: CredentialSettings,
  record: CredentialRecord,
): LoginContext {
  const { http, clock, issuerClocks, time } = deps;
  const send = createIssuerSend({
    ...{ http, clock, clocks: issuerClocks, credential: settings.name },
    hidden: Object.values(record.secrets),
    allowInsecureHttp: settings.allowInsecureHttp,
    // On a reused connection, which its server may have closed unheard, a code could be sent twice.
    freshConnection: true,
    certificate: clientCertificate(settings.own, record.secrets),
    ...omitUndefined({ ca: settings.ca }),
  });
  const { secrets } = record;
  const held = tokens.all().flatMap(({ issued }) => issued?.accessToken ?? []);
  const now = time.now().wall;
  const dpop = dpopFor(settings, record, deps.dpopNonces);
  return acquireContext({ settings, record, secrets, held, now, send, dpop }) as LoginContext;
}

/** Throws the AuthdError of what blocks the credential, unless it is that nobody has signed in. */
function assertMaySignIn({ blocker, name, settings }: Lifecycle): void {
  if (!grantNamed(settings.grant).signsIn) throw nobodySignsIn(name, settings.grant);
  if (blocker && blocker.state !== "login_required") throw blocker.error;
}

/** Seals a sign-in, and hands out its token from then on. If it can't be sealed, nothing changes. */
export async function signIn(life: Lifecycle, outcome: LoginOutcome): Promise<void> {
  const { start, signedIn, sent, answered } = outcome;
  const { settings, context, scope } = start;
  const { acquired } = signedIn;
  assertMaySignIn(life);
  if (!isSameSignIn(life.settings, settings)) throw editedMeanwhile(life.name);
  const change = (record: CredentialRecord) => {
    enterTokens(record, life.settings, signedIn);
    if (acquired.refreshToken) {
      beginRotation(record, { acquired, sent }, life.deps.time.bootId);
    }
    const { account } = signedIn;
    record.session = { signedInAt: answered.wall, ...omitUndefined({ account, scope }) };
    delete record.demand;
    record.tokens = [];
    // The record may have been read anew meanwhile, without a key that was never sealed.
    if (context.dpop) record.dpopKey = context.dpop.key;
  };
  await life.seal(change, () => {
    life.refresher.startAnew();
    life.adopt(life.settings, "drop");
  });
  life.refresher.accept({ acquired, sent, answered });
}

/** True if a sign-in that began with the one settings brings what the other would. */
export function isSameSignIn(one: CredentialSettings, other: CredentialSettings): boolean {
  return one.binding === other.binding && acquisitionDigest(one) === acquisitionDigest(other);
}

/** Enters the refresh token. One of before stays if none came and the account is the same, as at Google. */
function enterTokens(
  record: CredentialRecord,
  settings: CredentialSettings,
  { acquired, account }: SignedIn,
): void {
  const rotates = rotatingSecret(settings) ?? "";
  const { refreshToken } = acquired;
  const before = record.session?.account;
  const keeps = !refreshToken && !record.refused && account && isSame(account, before);
  const dropped = refreshToken || keeps ? [] : [rotates];
  const secrets = refreshToken ? { [rotates]: refreshToken } : {};
  enterSecrets(record, settings, { secrets, dropped });
  clearRefusals(record);
  if (!refreshToken && !keeps) delete record.rotation;
}

/** True unless both are known and differ. */
function isSame(one: Account, other: Account | undefined): boolean {
  return other !== undefined && one.iss === other.iss && one.sub === other.sub;
}

/** Returns the account of before if another one has signed in now, or nobody can tell. */
export function replacedAccount(life: Lifecycle, { account }: SignedIn): Account | undefined {
  const before = life.stored.record?.session?.account;
  return before && !(account && isSame(account, before)) ? before : undefined;
}

/** What a sign-in brought, as far as it is still there. */
export interface HeldSession {
  /** Wall clock, ms: tells one sign-in from another. */
  signedInAt: number;
  refreshToken?: string;
  accessTokens: string[];
}

/** Returns everything to revoke; undefined if nobody is signed in. Throws AuthdError if nobody can. */
export function heldSession({
  stored,
  settings,
  name,
  tokens,
}: Lifecycle): HeldSession | undefined {
  const grant = grantNamed(settings.grant);
  if (!grant.signsIn) throw nobodySignsIn(name, settings.grant);
  const { session, secrets } = stored.record ?? {};
  if (!session) return undefined;
  const refreshToken = secrets?.[rotatingSecret(settings) ?? ""];
  const accessTokens = tokens.all().flatMap(({ issued }) => issued?.accessToken ?? []);
  return { signedInAt: session.signedInAt, ...omitUndefined({ refreshToken }), accessTokens };
}

/** Forgets a sign-in: its tokens, and who it was. The client's own secrets stay. */
export async function signOut(life: Lifecycle): Promise<void> {
  const rotates = rotatingSecret(life.settings) ?? "";
  const change = (record: CredentialRecord) => {
    const { [rotates]: _, ...secrets } = record.secrets;
    Object.assign(record, { secrets, tokens: [] });
    clearRefusals(record);
    delete record.rotation;
    delete record.session;
    delete record.demand;
  };
  await life.seal(change, () => {
    life.refresher.startAnew();
    life.adopt(life.settings, "drop");
  });
}

function nobodySignsIn(credential: string, grant: string): AuthdError {
  return new AuthdError(
    "invalid_params",
    `${credential}: nobody signs in for the grant ${grant}: its secrets are entered with authd set ${credential}`,
    { credential },
  );
}

function editedMeanwhile(credential: string): AuthdError {
  return new AuthdError(
    "credential_changed",
    `${credential}: its settings were changed while you signed in, so the sign-in is not used. To sign in with those of now: authd login ${credential}`,
    { credential },
  );
}
