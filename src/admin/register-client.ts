/** Clients that authd registers at an issuer itself (RFC 7591), one for each credential that a person signs in for. */
import { randomInt } from "node:crypto";
import type { Cancellation } from "../base/cancellation.ts";
import { omitUndefined } from "../base/omit-undefined.ts";
import { coerceSettings, readPresets, updateCredentialFile } from "../config/config.ts";
import type { Credential } from "../credential/credential.ts";
import type { Registered } from "../credential/record.ts";
import { AuthdError } from "../errors.ts";
import { grantNamed, grants } from "../grants/index.ts";
import { discover, type RegisteredClient, registerClient } from "../grants/login/index.ts";
import type { Json, ParamsOf } from "../protocol.ts";
import type { AdminContext } from "./admin-context.ts";
import { assertSignsIn, caOf, senderFor } from "./discover-resource.ts";
import type { ClientToTakeBack } from "./take-back-client.ts";

/**
 * Ports that no service has of its own (RFC 6335), and that Linux gives to no connection (32768 to 60999): many
 * issuers compare the whole redirect URI, so that the port must be free at each sign-in.
 */
const [FIRST_PORT, LAST_PORT] = [61_000, 65_535];

/** A client whose secret ends within this time (ms) is not used again: one that is registered now lives longer. */
const MIN_LEFT_MS = 14 * 86_400_000;

/** Stands for the client's id in settings that are checked before there is a client. */
const TO_BE_REGISTERED = "to-be-registered";

type AddParams = ParamsOf<"credentials/add">;

/** Params with a client, and what is sealed about it. */
export interface WithClient {
  params: AddParams;
  registered: Registered;
  /** The client that was registered now; absent: it was there before. */
  made?: ClientToTakeBack;
}

/** True if `register` asks for a client, not for an account: a person signs in, with a client that nobody named. */
export function wantsClient({ grant, settings = {}, register }: AddParams): boolean {
  const isKnown = grant !== undefined && Object.hasOwn(grants, grant);
  const isSignIn = isKnown && grantNamed(grant).signsIn !== undefined;
  return register === true && isSignIn && settings.client_id === undefined;
}

/**
 * Registers a client at the issuer of the settings, unless `known` has one there that can be used. Rejects with
 * AuthdError.
 */
export async function withClient(
  context: AdminContext,
  params: AddParams,
  known: Credential | undefined,
  signal: Cancellation,
): Promise<WithClient> {
  const { name, register: _, ...rest } = params;
  const given = coerceSettings(
    { grant: params.grant },
    params.settings ?? {},
    readPresets(context.dir),
  );
  const { issuer, redirect_uri } = given as Readonly<Record<string, string | undefined>>;
  if (issuer === undefined) throw needsIssuer(name);
  const before = reusable(known, issuer, context.now());
  if (before && (redirect_uri ?? before.settings.redirect_uri) === before.settings.redirect_uri) {
    const settings = { ...before.settings, ...params.settings };
    const secrets = { ...before.secrets, ...params.secrets };
    return { params: { ...rest, name, settings, secrets }, registered: before.registered };
  }
  // Before anything is made at the issuer: a mistake in the settings would leave a client there that nobody uses.
  const file = updateCredentialFile(
    { grant: params.grant },
    { ...given, client_id: TO_BE_REGISTERED },
  );
  context.reloader.resolver()(name, file);
  const ca = caOf(context, name, given);
  const send = senderFor(context, name, ca);
  const metadata = await discover({ credential: name, send }, issuer);
  assertSignsIn(name, new URL(issuer), metadata);
  if (signal.aborted) throw signal.reason;
  const redirectUri = redirect_uri ?? freshRedirectUri();
  const client = await registerClient({ credential: name, metadata, redirectUri, send });
  const settings = { ...settingsOf(client, redirectUri), ...params.settings };
  const secrets = { ...omitUndefined({ client_secret: client.clientSecret }), ...params.secrets };
  const registration = sealedPart(client, issuer);
  return {
    params: { ...rest, name, settings, secrets },
    registered: { registration, discovered: { metadata } },
    made: { credential: name, registration, isChanged: false, ...omitUndefined({ ca }) },
  };
}

function freshRedirectUri(): string {
  return `http://127.0.0.1:${randomInt(FIRST_PORT, LAST_PORT + 1)}/callback`;
}

/** Returns the settings by which the client is known from now on. */
function settingsOf(client: RegisteredClient, redirectUri: string): Record<string, Json> {
  const { clientId, clientAuth, secretExpiresAt } = client;
  const day = secretExpiresAt && new Date(secretExpiresAt).toISOString().slice(0, 10);
  return {
    client_id: clientId,
    client_auth: clientAuth,
    redirect_uri: redirectUri,
    ...(day ? { secret_expires: day } : {}),
  };
}

function sealedPart(
  { clientId, secretExpiresAt, accessToken, managementUrl }: RegisteredClient,
  issuer: string,
): Registered["registration"] {
  return { issuer, clientId, ...omitUndefined({ secretExpiresAt, accessToken, managementUrl }) };
}

/** Returns what a credential of that name has of a client at this issuer, so that none is registered twice. */
function reusable(known: Credential | undefined, issuer: string, now: number) {
  if (!known?.isReadable) return undefined;
  const { registration, discovered, secrets, refused } = known.record;
  const { client_id, client_auth, redirect_uri } = known.settings.own as Record<string, string>;
  const isSame = registration?.issuer === issuer && registration.clientId === client_id;
  const isOver = (registration?.secretExpiresAt ?? Number.POSITIVE_INFINITY) - now < MIN_LEFT_MS;
  const isUnknownThere = refused?.oauth?.error === "invalid_client";
  if (!registration || !isSame || isOver || isUnknownThere) return undefined;
  const { secretExpires } = known.settings;
  const settings: Record<string, Json> = omitUndefined({
    ...{ client_id, client_auth, redirect_uri, secret_expires: secretExpires },
  }) as Record<string, Json>;
  return {
    settings,
    secrets: secrets.client_secret ? { client_secret: secrets.client_secret } : {},
    registered: { registration, ...omitUndefined({ discovered }) },
  };
}

function needsIssuer(name: string): AuthdError {
  return new AuthdError(
    "invalid_params",
    `${name}: a client can be registered only at an issuer: set issuer, or client_id for a client of yours`,
    { credential: name },
  );
}
