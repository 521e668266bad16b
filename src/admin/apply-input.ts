/** Writes what a person enters for a credential: puts it in force, or seals it beside what is in force. */
import { omitUndefined } from "../base/omit-undefined.ts";
import {
  assertCredentialName,
  coerceSettings,
  credentialFileText,
  readCredentialFile,
  readPresets,
  type Table,
  updateCredentialFile,
} from "../config/config.ts";
import { differencesOf } from "../config/differences.ts";
import type { CredentialSettings } from "../config/settings.ts";
import type { Credential } from "../credential/credential.ts";
import type { Registered } from "../credential/record.ts";
import { boundTo, endedSecrets } from "../credential/record-changes.ts";
import { AuthdError } from "../errors.ts";
import { grantNamed } from "../grants/index.ts";
import type { ParamsOf } from "../protocol.ts";
import type { AdminContext } from "./admin-context.ts";
import { needChangeConsent, needSubjectConsent } from "./change-consent.ts";
import { ifRestricted, type Needs } from "./consent.ts";
import { writeFileFor } from "./credential-file.ts";
import {
  type AppliedInput,
  assertUnspent,
  type CredentialInput,
  candidateFor,
  inForce,
  type NewCredentialInput,
  sharesRefreshToken,
  waitsWithSettings,
} from "./credential-input.ts";
import { generatedPassword, registering } from "./register-account.ts";
import { removeCredential } from "./remove-credential.ts";
import {
  assertComplete,
  assertTrusted,
  credentialTypeOf,
  enteredSecrets,
  withGenerated,
} from "./secret-input.ts";
import { promoteNow } from "./trials.ts";
import { assertNoneEntered, type Unset, unsetKeys, withoutSecrets } from "./unset.ts";

/**
 * Returns whether there is a credential of that name, which is to be replaced. Throws AuthdError `invalid_params`
 * if it may not be.
 */
export function assertAddable(
  { registry, vault, dir }: AdminContext,
  { name, replace }: ParamsOf<"credentials/add">,
  needs: Needs,
): boolean {
  assertCredentialName(name);
  const hasFile = registry.hasAny(name) || readCredentialFile(dir, name) !== undefined;
  const existed = hasFile || vault.knows(name);
  if (existed && !replace) throw alreadyThere(name, hasFile);
  needs(ifRestricted(registry, name));
  return existed;
}

/** Adds a credential, or replaces one. `isAgain`: its account was asked for before. Runs in a turn. */
export async function applyAdd(
  context: AdminContext,
  params: ParamsOf<"credentials/add">,
  needs: Needs,
  registered?: Registered,
): Promise<{ applied: AppliedInput; isAgain: boolean }> {
  const { registry, dir, reloader } = context;
  const { name } = params;
  const existed = assertAddable(context, params, needs);
  const type = credentialTypeOf(params);
  const given = coerceSettings(type, params.settings ?? {}, readPresets(dir));
  const file = updateCredentialFile(type, given);
  const settings = reloader.resolver()(name, file);
  needSubjectConsent(needs, registry, settings, () => ({
    ...{ method: "credentials/add", name, given: params },
  }));
  const known = registry.hasLoaded(name) ? registry.get(name) : undefined;
  const before = params.register ? generatedPassword(known, settings) : undefined;
  const secrets = enteredSecrets(settings, withGenerated(params, settings, before));
  assertComplete(settings, secrets);
  const now = context.now();
  const refused = params.register ? registering(settings, now) : undefined;
  const input = { settings, secrets, file: credentialFileText(file), now, refused, registered };
  const applied = known?.isReadable
    ? await replace(context, known, input)
    : await create(context, input, existed);
  return { applied, isAgain: before !== undefined };
}

/** Replaces a credential; the new secrets of one that works are tried beside the old ones. */
async function replace(
  { dir }: AdminContext,
  known: Credential,
  input: NewCredentialInput,
): Promise<AppliedInput> {
  const { settings, secrets, file, refused, registered } = input;
  assertUnspent(known, secrets);
  // A person signs in with the new settings, which no secret of before is tried beside.
  const signsIn = grantNamed(settings.grant).signsIn !== undefined;
  const isTried = known.works && !signsIn && !sharesRefreshToken(known, secrets);
  // A generated password may have an account by now: it is kept until the new one has one.
  if (isTried || refused) return await offer(known, input);
  await writeFileFor({ dir, name: known.name, text: file }, () =>
    known.update(settings, { secrets, replaceAll: true, ...omitUndefined({ registered }) }),
  );
  return inForce(known);
}

/** `existed`: there is a file that can't be used, or a sealed record that is damaged. */
async function create(
  context: AdminContext,
  { settings, secrets, file, refused, registered }: NewCredentialInput,
  existed: boolean,
): Promise<AppliedInput> {
  const { registry, vault, dir } = context;
  const { name } = settings;
  registry.dropOrphaned(name);
  await writeFileFor({ dir, name, text: file }, async () => {
    const bound = { secrets, ...boundTo(settings), tokens: [] };
    const record = { ...bound, ...(refused && { refused }), ...registered };
    await vault.write(name, record, { durable: true, replaceDamaged: true, isChange: true });
  });
  registry.delete(name);
  const undo = () => (existed ? Promise.resolve() : removeCredential(context, name));
  return { ...inForce(registry.add(settings)), undo };
}

/** Seals the input as the credential's candidate. What is in force stays until the candidate has worked. */
async function offer(credential: Credential, input: CredentialInput): Promise<AppliedInput> {
  const { candidate: before } = credential;
  await credential.offer(candidateFor(credential, input));
  const { trial } = credential;
  if (!trial) throw new Error(`${credential.name} has no trial`);
  return { credential, subject: trial, undo: () => credential.offer(before) };
}

/** Changes settings or secrets of a credential. Runs in a turn. */
export async function applySet(
  context: AdminContext,
  params: ParamsOf<"credentials/set">,
  needs: Needs,
): Promise<AppliedInput> {
  const { registry, dir, reloader } = context;
  const { force = false, discard = false } = params;
  const credential = registry.get(params.credential);
  const { name } = credential;
  const resolve = reloader.resolver();
  const file = readCredentialFile(dir, name) ?? {};
  // `set` seals a new binding, so it must not accept an edit that nobody looked at.
  const current = resolve(name, file);
  assertTrusted(current, credential.record);
  const unset = unsetKeys(current, file, params.unset ?? []);
  const waiting = discard ? undefined : credential.candidate;
  const edit = editOf(context, credential, { params, unset, file, resolve, waiting });
  const redirected = edit.text === undefined ? undefined : edit.settings;
  needChangeConsent(needs, registry, redirected, () => ({
    ...{ method: "credentials/set", name, given: params },
    differences: differencesOf(edit.settings, boundIn(credential, current), file),
    namesAll: waiting?.file !== undefined,
    fields: Object.keys(edit.settings.fields),
  }));
  if (discard) await credential.offer(undefined);
  const offered = await applyEdit(context, credential, edit, force);
  if (offered && !force) return offered;
  if (force) await promoteNow(context, credential);
  return inForce(credential);
}

interface Edit {
  settings: CredentialSettings;
  entered: Record<string, string>;
  /** Names of secrets to drop. */
  dropped: readonly string[];
  /** All secrets: those entered, and those that stay. */
  secrets: Record<string, string>;
  /** Text of the edited file; undefined if no setting was changed. */
  text: string | undefined;
}

interface EditInput {
  params: ParamsOf<"credentials/set">;
  unset: Unset;
  /** Content of the credential file. */
  file: Table;
  resolve: (name: string, file: Table) => CredentialSettings;
  /** The candidate that the edit goes on from; undefined if there is none, or it is discarded. */
  waiting: Credential["candidate"];
}

/** Returns what the secrets are bound to; a record of an earlier version has no values, only a digest. */
function boundIn({ record }: Credential, current: CredentialSettings) {
  return record.boundValues ? record : current;
}

/** Builds and checks an edit. Throws AuthdError `invalid_params`. */
function editOf(
  { reloader, dir }: AdminContext,
  credential: Credential,
  { params, unset, file, resolve, waiting: candidate }: EditInput,
): Edit {
  const { name, record } = credential;
  const changes = { ...params.settings, ...unset.settings };
  const hasSettings = Object.keys(changes).length > 0;
  if (hasSettings && candidate?.file !== undefined) throw waitsWithSettings(name);
  const edited = updateCredentialFile(file, coerceSettings(file, changes, readPresets(dir)));
  const settings =
    candidate?.file === undefined
      ? resolve(name, edited)
      : reloader.settingsFrom(name, candidate.file);
  const entered = enteredSecrets(settings, params.secrets ?? {});
  assertUnspent(credential, entered);
  const { secrets: dropped } = unset;
  assertNoneEntered(name, dropped, entered);
  const ended = endedSecrets(settings, { secrets: entered, dropped });
  const before = withoutSecrets((candidate?.record ?? record).secrets, [...dropped, ...ended]);
  const secrets = { ...before, ...entered };
  assertComplete(settings, secrets);
  const text = hasSettings ? credentialFileText(edited) : undefined;
  return { settings, entered, dropped, secrets, text };
}

/** Puts an edit in force, or offers it beside what works: returns it then. */
async function applyEdit(
  { dir, now }: AdminContext,
  credential: Credential,
  { settings, entered, dropped, secrets, text }: Edit,
  force: boolean,
): Promise<AppliedInput | undefined> {
  const { name, candidate, record } = credential;
  const hasSecrets = Object.keys(entered).length > 0 || dropped.length > 0;
  const isTried = candidate !== undefined || (credential.works && !force);
  if (hasSecrets && isTried && !sharesRefreshToken(credential, secrets)) {
    const carried = candidate?.record ?? record;
    const file = text ?? candidate?.file;
    return await offer(credential, { settings, secrets, file, now: now(), carried });
  }
  const update = () => credential.update(settings, { secrets: entered, dropped });
  if (text !== undefined) await writeFileFor({ dir, name, text }, update);
  else if (hasSecrets) await update();
  return undefined;
}

function alreadyThere(name: string, hasFile: boolean): AuthdError {
  const there = hasFile
    ? `there is a credential of that name; change it with \`authd set ${name}\``
    : "the vault holds secrets of that name, whose file was removed; put the file back";
  return new AuthdError("invalid_params", `${name}: ${there}, or give --replace`, {
    credential: name,
  });
}
