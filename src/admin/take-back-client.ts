/** Takes back, at its issuer, the client that authd registered for a credential that is removed (RFC 7592). */
import { omitUndefined } from "../base/omit-undefined.ts";
import type { CredentialRecord } from "../credential/record.ts";
import type { Registry } from "../credential/registry.ts";
import { AuthdError } from "../errors.ts";
import { deregisterClient } from "../grants/login/index.ts";
import type { AddResult, CredentialInfo, ParamsOf, RemoveResult } from "../protocol.ts";
import type { AdminContext } from "./admin-context.ts";
import { senderFor } from "./discover-resource.ts";

/** What is kept of a credential's client beyond its removal. */
export interface ClientToTakeBack {
  credential: string;
  registration: NonNullable<CredentialRecord["registration"]>;
  ca?: string;
  /** The file was edited since: nothing is sent until a person has agreed, and now nobody will. */
  isChanged: boolean;
}

/** Returns undefined if authd registered no client for the credential, or can't read its record. */
export function registeredClientOf(
  registry: Registry,
  credential: string,
): ClientToTakeBack | undefined {
  const known = registry.hasLoaded(credential) ? registry.get(credential) : undefined;
  const registration = known?.isReadable ? known.record.registration : undefined;
  if (!known || !registration) return undefined;
  // Whatever the state says first, such as a secret that is missing.
  const isEdited = known.record.binding !== known.settings.binding;
  const isChanged = isEdited || known.state() === "changed";
  return { credential, registration, isChanged, ...omitUndefined({ ca: known.settings.ca }) };
}

/** Waits for the issuer as long as a request to one may take. Never rejects. */
export async function takeBackClient(
  context: AdminContext,
  { credential, registration, ca, isChanged }: ClientToTakeBack,
): Promise<RemoveResult> {
  if (isChanged) {
    const why = "the credential's file was edited since, so the issuer was not asked";
    const detail = `its client stays registered at ${registration.issuer}: ${why}`;
    return { deregistered: false, detail };
  }
  return await deregisterClient(registration, senderFor(context, credential, ca));
}

/**
 * Adds a credential; then takes back the client of the one that it replaced, unless that client is in use still. Says
 * so in the result, and in the log. Rejects with what `add` rejects with.
 */
export async function takingBackReplaced(
  context: AdminContext,
  { name, replace }: Pick<ParamsOf<"credentials/add">, "name" | "replace">,
  add: () => Promise<CredentialInfo>,
): Promise<AddResult> {
  const before = replace ? registeredClientOf(context.registry, name) : undefined;
  if (!before) return await add();
  const adding = add();
  await Promise.allSettled([adding]);
  if (isInUse(context.registry, before)) return await adding;
  const replacedClient = await takeBackClient(context, before);
  const { detail = "" } = replacedClient;
  context.log.info({ credential: name }, `${name} was replaced: ${detail}`);
  return { ...(await adding), replacedClient };
}

/** True as well while the vault is locked, which may have happened meanwhile: then nobody knows. */
function isInUse(registry: Registry, { credential, registration }: ClientToTakeBack): boolean {
  if (!registry.hasLoaded(credential)) return false;
  if (!registry.get(credential).isReadable) return true;
  const now = registeredClientOf(registry, credential)?.registration;
  return now?.issuer === registration.issuer && now.clientId === registration.clientId;
}

/** Takes back a client that was registered for what could not be added then. Rejects with `error`, which tells of it. */
export async function takeBackUnused(
  context: AdminContext,
  made: ClientToTakeBack | undefined,
  error: unknown,
): Promise<never> {
  if (!made || !(error instanceof AuthdError)) throw error;
  const { detail } = await takeBackClient(context, made);
  const { reason, message, credential = made.credential } = error;
  throw new AuthdError(reason, `${message}; ${detail}`, { credential, cause: error });
}
