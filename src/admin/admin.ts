import { join } from "node:path";
import type { Log } from "../base/log.ts";
import { stripControlChars } from "../base/terminal-safe.ts";
import { Turns } from "../base/turns.ts";
import type { NewAllowRule } from "../config/allow-rule.ts";
import {
  accessNow,
  assertCredentialName,
  coerceSettings,
  configDir,
  configFileMistake,
  credentialFile,
  credentialFileAsItIs,
  credentialFileText,
  readCredentialFile,
  removeCredentialFile,
  resolver,
  type Table,
  tomlTable,
  updateCredentialFile,
  withAllowance,
  writeCredentialFile,
} from "../config/config.ts";
import type { Configuration, CredentialSettings, DaemonSettings } from "../config/settings.ts";
import type { Credential } from "../credential/credential.ts";
import type { CredentialRecord } from "../credential/record.ts";
import { boundTo } from "../credential/record-changes.ts";
import { isTerminal } from "../credential/refusals.ts";
import type { Registry } from "../credential/registry.ts";
import { AuthdError, messageOf } from "../errors.ts";
import type { Http } from "../http/http.ts";
import type {
  CredentialDetails,
  CredentialInfo,
  EventPayload,
  ParamsOf,
  ReloadResult,
  TestResult,
} from "../protocol.ts";
import { authorizedRequest, type RequestOptions } from "../request/request.ts";
import type { Vault } from "../vault/vault.ts";
import {
  assertUnspent,
  candidateFor,
  type Entered,
  type EnteredWhole,
  type Entry,
  inForce,
  isCurrent,
  isNotRegistered,
  keptBeside,
  passwordMade,
  refusedAtFirst,
  registeredPerhaps,
  registering,
  sharesRefreshToken,
  waitsWithSettings,
} from "./candidacy.ts";
import { type Consent, type Needs, withConsent } from "./consent.ts";
import { describe } from "./describe.ts";
import { registerAccount } from "./register-account.ts";
import { logRuleWarnings } from "./rule-warnings.ts";
import {
  assertComplete,
  assertTrusted,
  credentialTypeOf,
  enteredSecrets,
  withGenerated,
} from "./secret-input.ts";
import { settingChanges } from "./setting-changes.ts";
import { unsetKeys, withoutSecrets } from "./unset.ts";

/** How long the first try of a new credential may keep its user waiting, ms. */
const FIRST_TRY = 30_000;
/** What a reload changes that reads nothing. */
const NOTHING = { changed: [], daemon: [], restart: [] };

export interface AdminOptions {
  env: NodeJS.ProcessEnv;
  configuration: Configuration;
  /** Throws AuthdError for what concerns all credentials. */
  readConfiguration: () => Promise<Configuration>;
  registry: Registry;
  vault: Vault<CredentialRecord>;
  http: Http;
  log: Log;
  /** Throws AuthdError `vault_locked` while the vault is locked, or just being locked. */
  assertOpen: () => void;
  /** Wall clock, ms. */
  now: () => number;
  onEvent: (happened: EventPayload) => void;
  /** Who may use what is not known until the next `reloaded`. */
  onClosed: () => void;
}

/** Asked before the request, or the refresh, that a test makes: throws or rejects if the caller may not. */
interface TestOptions extends Required<Pick<RequestOptions, "signal" | "admit">> {
  admitRefresh: () => Promise<void>;
}

/**
 * What changes credentials: their files, their sealed records and the registry, kept in step.
 * One change at a time; a first try at the issuer is outside of that.
 */
export class Admin {
  readonly #options: AdminOptions;
  readonly #dir: string;
  #defaults: Configuration["defaults"];
  /** What config.toml said about the daemon itself when it could last be read. */
  #daemon: DaemonSettings;
  /** What config.toml said about access when it could last be read. */
  #access: string;
  /** Why nothing is known of that now. */
  #closed: AuthdError | undefined;
  readonly #turns = new Turns();

  constructor(options: AdminOptions) {
    this.#options = options;
    this.#dir = configDir(options.env);
    this.#defaults = options.configuration.defaults;
    this.#daemon = options.configuration.daemon;
    this.#access = options.configuration.access;
  }

  async add(
    params: ParamsOf<"credentials/add">,
    signal: AbortSignal,
    ask: Consent,
  ): Promise<CredentialInfo> {
    const { registry, vault } = this.#options;
    const { name } = params;
    assertCredentialName(name);
    const { entry, isAgain } = await this.#change(ask, async (needs) => {
      const hasFile = registry.hasAny(name) || readCredentialFile(this.#dir, name) !== undefined;
      const existed = hasFile || vault.knows(name);
      if (existed && !params.replace) throw alreadyThere(name, hasFile);
      needs(this.#guarded(name));
      const kind = credentialTypeOf(params);
      const file = updateCredentialFile(kind, coerceSettings(kind, params.settings ?? {}));
      const settings = this.#resolver()(name, file);
      const known = registry.hasLoaded(name) ? registry.get(name) : undefined;
      const before = params.register ? passwordMade(known, settings) : undefined;
      const secrets = enteredSecrets(settings, withGenerated(params, settings, before));
      assertComplete(settings, secrets);
      const now = this.#options.now();
      const refused = params.register ? registering(settings, now) : undefined;
      const entered = { settings, secrets, file: credentialFileText(file), now, refused };
      return { entry: await this.#enter(known, entered, existed), isAgain: before !== undefined };
    });
    this.#options.onEvent({ kind: "added", credential: name });
    return params.register
      ? await this.#registerFirst(entry, isAgain, signal)
      : await this.#firstTry(entry, signal);
  }

  /** `existed`: its file was broken, or its sealed record damaged, unless it is known. */
  async #enter(known: Credential | undefined, entered: EnteredWhole, existed: boolean) {
    if (!known?.isReadable) return await this.#create(entered, existed);
    assertUnspent(known, entered.secrets);
    const isTried = known.works && !sharesRefreshToken(known, entered.secrets);
    // A password that may have an account is not lost for one that may not.
    if (isTried || entered.refused) return await this.#offer(known, entered);
    const { settings, secrets, file } = entered;
    await this.#withFile(known.name, file, () =>
      known.update(settings, { secrets, replaceAll: true }),
    );
    return inForce(known);
  }

  async #create(entered: EnteredWhole, existed: boolean): Promise<Entry> {
    const { settings, secrets, file, refused } = entered;
    const { registry, vault } = this.#options;
    const { name } = settings;
    registry.dropOrphaned(name);
    await this.#withFile(name, file, async () => {
      const more = refused ? { refused } : {};
      const record = { secrets, ...boundTo(settings), tokens: [], ...more };
      await vault.write(name, record, { durable: true, replaceDamaged: true, isChange: true });
    });
    registry.delete(name);
    const undo = () => (existed ? Promise.resolve() : this.#removeNow(name));
    return { ...inForce(registry.add(settings)), undo };
  }

  /** What is in force stays until this has worked. */
  async #offer(credential: Credential, entered: Entered): Promise<Entry> {
    const { candidate: before } = credential;
    await credential.offer(candidateFor(credential, entered));
    const { trial } = credential;
    if (!trial) throw new Error(`${credential.name} has no trial`);
    return { credential, subject: trial, undo: () => credential.offer(before) };
  }

  async set(
    params: ParamsOf<"credentials/set">,
    signal: AbortSignal,
    ask: Consent,
  ): Promise<CredentialInfo> {
    const entry = await this.#change(ask, (needs) => this.#setNow(params, needs));
    this.#options.onEvent({ kind: "set", credential: params.credential, message: named(params) });
    return await this.#firstTry(entry, signal);
  }

  async #setNow(params: ParamsOf<"credentials/set">, needs: Needs): Promise<Entry> {
    const { secrets: given = {}, force = false, discard = false } = params;
    const credential = this.#options.registry.get(params.credential);
    const { name } = credential;
    needs(this.#guarded(name));
    const { record } = credential;
    const resolve = this.#resolver();
    const file = readCredentialFile(this.#dir, name) ?? {};
    // `set` binds, so it must not wave through an edit that nobody looked at.
    const current = resolve(name, file);
    assertTrusted(current, record);
    const unset = unsetKeys(current, file, params.unset ?? []);
    const changes = { ...params.settings, ...unset.settings };
    if (discard) await credential.offer(undefined);
    const { candidate } = credential;
    const hasSettings = Object.keys(changes).length > 0;
    if (hasSettings && candidate?.file !== undefined) throw waitsWithSettings(name);
    const edited = updateCredentialFile(file, coerceSettings(file, changes));
    const settings =
      candidate?.file === undefined
        ? resolve(name, edited)
        : this.settingsFrom(name, candidate.file);
    const entered = enteredSecrets(settings, given);
    assertUnspent(credential, entered);
    const before = withoutSecrets((candidate?.record ?? record).secrets, unset.secrets);
    const secrets = { ...before, ...entered };
    const hasSecrets = Object.keys(entered).length > 0 || unset.secrets.length > 0;
    assertComplete(settings, secrets);
    const text = hasSettings ? credentialFileText(edited) : candidate?.file;
    const isOffered =
      hasSecrets &&
      (candidate !== undefined || (credential.works && !force)) &&
      !sharesRefreshToken(credential, secrets);
    if (isOffered) {
      const carried = candidate?.record ?? record;
      const all = { settings, secrets, file: text, now: this.#options.now(), carried };
      const entry = await this.#offer(credential, all);
      if (!force) return entry;
    } else if (hasSettings || hasSecrets) {
      const amend = () => credential.update(settings, { secrets: entered, dropped: unset.secrets });
      if (hasSettings) await this.#withFile(name, credentialFileText(edited), amend);
      else await amend();
    }
    if (force) await this.#promoteNow(credential);
    return inForce(credential);
  }

  // ---- what is tried before it is in force ----

  /** Settings of a credential with this text as its file. Throws AuthdError. */
  settingsFrom(name: string, text: string): CredentialSettings {
    return this.#resolver()(name, tomlTable(`${name}.toml`, text));
  }

  /** The candidate has worked: it takes the place of what is in force, unless other settings were trusted since. */
  async promote(name: string): Promise<void> {
    const { registry, log } = this.#options;
    await this.inTurn(async () => {
      if (!registry.hasLoaded(name)) return;
      const credential = registry.get(name);
      const { candidate, trial } = credential;
      if (!candidate || !trial?.snapshot().tokens.length) return;
      if (candidate.replaces === credential.record.binding) {
        await this.#promoteNow(credential).catch((error) => {
          credential.promoteLater();
          throw error;
        });
        return;
      }
      const message = `${name}: its new secrets work, but others have replaced the settings that they were entered for: authd set ${name} --force puts them in force`;
      log.warn({ credential: name }, message);
    });
  }

  async #promoteNow(credential: Credential): Promise<void> {
    const { name, candidate } = credential;
    if (!candidate) return;
    const { file } = candidate;
    if (file === undefined) {
      await credential.promote(credential.settings);
      return;
    }
    const settings = this.settingsFrom(name, file);
    await this.#withFile(name, file, () => credential.promote(settings));
  }

  /** Asks for the account; what is entered is sealed by now, and nothing signs in with it meanwhile. */
  async #registerFirst(entry: Entry, isAgain: boolean, signal: AbortSignal) {
    const { subject } = entry;
    const { settings, record } = subject;
    try {
      await registerAccount(settings, record.secrets, this.#options.http);
    } catch (error) {
      if (!(error instanceof AuthdError)) throw error;
      if (!isNotRegistered(error, isAgain)) return await this.#signInAfter(error, entry, signal);
      await this.#ifCurrent(entry, entry.undo);
      throw error;
    }
    await this.#ifCurrent(entry, () => subject.refuse(undefined));
    return await this.#firstTry(entry, signal);
  }

  /** The account may be there: only a sign-in can tell. */
  async #signInAfter(registration: AuthdError, entry: Entry, signal: AbortSignal) {
    const { credential, subject } = entry;
    try {
      await subject.refresh(FIRST_TRY, signal);
    } catch (error) {
      if (!(error instanceof AuthdError)) throw error;
      const { settings } = subject;
      const refused = registeredPerhaps(settings, this.#options.now(), [registration, error]);
      await this.#ifCurrent(entry, () => subject.refuse(refused));
      const { reason, message } = refused;
      throw new AuthdError(reason, message, { credential: credential.name, cause: error });
    }
    await this.promote(credential.name);
    return credential.info();
  }

  async #ifCurrent(entry: Entry, work: () => Promise<void>): Promise<void> {
    const { registry, log } = this.#options;
    const { credential } = entry;
    const { name } = credential;
    await this.inTurn(async () => {
      if (!registry.hasLoaded(name) || registry.get(name) !== credential || !isCurrent(entry))
        return;
      await work().catch((error) => log.error({ credential: name }, messageOf(error)));
    });
  }

  /** Writes the file, then does `work`; if that fails, the file is as it was. */
  async #withFile(name: string, text: string, work: () => Promise<void>): Promise<void> {
    const putBack = this.#fileAsItIs(name);
    writeCredentialFile(this.#dir, name, text);
    try {
      await work();
    } catch (error) {
      putBack();
      throw error;
    }
  }

  /** What makes the file again as it is now. */
  #fileAsItIs(name: string): () => void {
    let text: string | undefined;
    try {
      text = credentialFileAsItIs(this.#dir, name);
    } catch {
      // Nothing that authd could use: whatever replaces it may stay.
      return () => {};
    }
    if (text === undefined) return () => removeCredentialFile(this.#dir, name);
    const before = text;
    return () => writeCredentialFile(this.#dir, name, before);
  }

  /** Everything but its secrets, by its file as it is now. */
  show(name: string): CredentialDetails {
    const { registry } = this.#options;
    const info = registry.info(name);
    const file = credentialFile(this.#dir, name);
    if (!registry.hasLoaded(name)) return { ...info, file };
    try {
      const content = readCredentialFile(this.#dir, name) ?? {};
      const settings = this.#resolver()(name, content);
      return { ...info, file, ...describe(registry.get(name), { content, settings }) };
    } catch (error) {
      if (!(error instanceof AuthdError)) throw error;
      return { ...info, file };
    }
  }

  /**
   * Accepts the file as it is now; if a person is asked, as it was then (see config/binding.ts), or as
   * a person looked at it before, whose `binding` it has.
   */
  async trust(
    { credential: name, binding }: ParamsOf<"credentials/trust">,
    ask: Consent,
  ): Promise<CredentialInfo> {
    let asked = binding;
    return await this.#change(ask, async (needs) => {
      const credential = this.#options.registry.get(name);
      const file = readCredentialFile(this.#dir, name);
      const settings = file ? this.#resolver()(name, file) : credential.settings;
      if (asked !== undefined && settings.binding !== asked) throw editedMeanwhile(name);
      asked = settings.binding;
      needs(this.#guarded(name));
      // What is trusted is the file as it is now, read again or not.
      credential.applySettings(settings);
      await credential.trust();
      this.#options.onEvent({ kind: "trusted", credential: name });
      return credential.info();
    });
  }

  /**
   * Writes down that a program may go on without a person being asked, as that rule wanted it, and
   * binds to the file with it: all of it or nothing. Throws AuthdError `invalid_params`.
   */
  async allow(name: string, { executable, kind, rule }: NewAllowRule): Promise<void> {
    await this.#alone(async () => {
      const credential = this.#options.registry.get(name);
      const resolve = this.#resolver();
      // Read once: what is looked at is what is written.
      const text = credentialFileAsItIs(this.#dir, name) ?? "";
      const file = tomlTable(credentialFile(this.#dir, name), text);
      const now = resolve(name, file);
      // What a person was asked about are the rules that count, not an edit that nobody looked at.
      assertTrusted(now, credential.record);
      const rules = now.policy?.allow ?? [];
      const found = rules.findIndex((one) => one.name === rule);
      if (rules.length > 0 && (found < 0 || file.allow === undefined)) throw notHere(name, found);
      const asking = rules.length > 0 ? found : undefined;
      const edited = withAllowance(text, { executable, kind, asking });
      const settings = resolve(name, edited.file);
      await this.#withFile(name, edited.text, () => credential.update(settings, { secrets: {} }));
    });
    const message = `always allowed to ${stripControlChars(executable)}`;
    this.#options.onEvent({ kind: "set", credential: name, message });
  }

  async remove(name: string, ask: Consent): Promise<void> {
    await this.withConsent(ask, async (needs) => {
      if (this.#options.registry.hasLoaded(name)) this.#options.assertOpen();
      needs(this.#guarded(name));
      await this.#removeNow(name);
    });
  }

  async #removeNow(name: string): Promise<void> {
    const { registry, vault } = this.#options;
    const credential = registry.hasLoaded(name) ? registry.get(name) : undefined;
    if (!registry.hasAny(name)) registry.get(name);
    // A token that comes meanwhile must not be sealed again behind the removal.
    const bringBack = credential?.detach();
    try {
      // The secret first: a leftover file is harmless, a leftover secret is not.
      await vault.remove(name);
      removeCredentialFile(this.#dir, name);
    } catch (error) {
      bringBack?.();
      throw error;
    }
    registry.delete(name);
    this.#options.onEvent({ kind: "removed", credential: name });
  }

  /** Reads the configuration again. A file with a mistake closes its credential. */
  async reload(): Promise<ReloadResult> {
    return await this.inTurn(() => this.reloadNow());
  }

  /** For who has the turn. */
  async reloadNow(): Promise<ReloadResult> {
    const { registry, log, readConfiguration } = this.#options;
    let configuration: Configuration;
    try {
      configuration = await readConfiguration();
    } catch (error) {
      log.error({}, messageOf(error));
      return this.#withBrokenConfig(error);
    }
    this.#closed = undefined;
    this.#defaults = configuration.defaults;
    this.#access = configuration.access;
    const changed = registry.apply(configuration);
    for (const { file, message } of configuration.errors) log.error({ file }, message);
    logRuleWarnings(configuration, log);
    const errors = configuration.errors.map(({ file, message }) => ({ file, message }));
    const { daemon: started } = this.#options.configuration;
    const { taken, restart } = settingChanges(started, this.#daemon, configuration.daemon);
    this.#daemon = configuration.daemon;
    if (restart.length > 0) errors.push(this.#waiting(restart));
    const result = { changed, daemon: taken, restart, errors };
    const message = `${changed.length} changed, ${result.errors.length} to mend`;
    this.#options.onEvent({ kind: "reloaded", message });
    return result;
  }

  /** Tells what is not as config.toml says, and why. */
  #waiting(restart: readonly string[]): ReloadResult["errors"][number] {
    const message = `${restart.join(", ")}: an edit takes effect when authd is restarted.`;
    return { file: join(this.#dir, "config.toml"), message };
  }

  /**
   * A mistake in config.toml beside what it says about access leaves everything as it was. Otherwise it
   * is not known who may use what: nobody else may connect, and every credential is closed.
   */
  #withBrokenConfig(error: unknown): ReloadResult {
    const { registry, onClosed } = this.#options;
    const { file, message } = configFileMistake(this.#dir, error);
    const errors = [{ file, message }];
    if (!this.#closed && accessNow(this.#dir) === this.#access) return { ...NOTHING, errors };
    this.#closed = new AuthdError(
      "invalid_params",
      `${file}, ${message} Mend it, then run: authd reload`,
    );
    onClosed();
    const changed = registry.closeAll(file, message);
    this.#options.onEvent({ kind: "reloaded", message: `${changed.length} closed, 1 to mend` });
    return { ...NOTHING, changed, errors };
  }

  /** What waits to be tried is tried before what is in force. */
  async refresh(name: string, signal: AbortSignal): Promise<CredentialInfo> {
    const credential = this.#options.registry.get(name);
    await this.#try({ credential, subject: credential.trial ?? credential }, signal);
    return credential.info();
  }

  /** One real authorized request, or without a `verify` a fresh token. */
  async test(
    credential: Credential,
    { signal, admit, admitRefresh }: TestOptions,
  ): Promise<TestResult> {
    const { name } = credential;
    const { verify } = credential.settings;
    if (!verify) {
      await admitRefresh();
      await credential.refresh(FIRST_TRY, signal);
      const detail = `${name}: got a fresh token; the API itself is untested, as there is no \`verify\` request`;
      return { ok: true, verified: false, detail };
    }
    const params = { credential: name, method: verify.method, url: verify.url };
    const { status, statusText } = await authorizedRequest(credential, this.#options.http, params, {
      signal,
      admit,
    });
    const { host } = new URL(verify.url);
    const answered = `${name}: ${host} answered ${status}${statusText ? ` ${statusText}` : ""}`;
    return { ok: status < 400, verified: true, status, detail: answered };
  }

  /**
   * An issuer that can't be had is no reason to refuse: authd goes on trying. So it does after a refusal
   * that is not final, but a person who may have mistyped is told now.
   */
  async #firstTry(entry: Entry, signal: AbortSignal): Promise<CredentialInfo> {
    try {
      await this.#try(entry, signal);
    } catch (error) {
      if (!(error instanceof AuthdError)) throw error;
      if (error.reason !== "issuer_unavailable" && error.reason !== "timeout") throw error;
      if (error.contact?.refusal !== undefined) throw refusedAtFirst(entry, error);
    }
    return entry.credential.info();
  }

  /** What has worked is in force then. */
  async #try({ credential, subject }: Pick<Entry, "credential" | "subject">, signal: AbortSignal) {
    try {
      await subject.refresh(FIRST_TRY, signal);
    } catch (error) {
      const isRefused = error instanceof AuthdError && isTerminal(error);
      throw isRefused && subject !== credential ? keptBeside(credential.name, error) : error;
    }
    if (subject !== credential) await this.promote(credential.name);
  }

  /** Makes settings of credential files, with each `ca_file` as it was when it was read first. */
  #resolver(): (name: string, file: Table) => CredentialSettings {
    // What config.toml gives it, rules included, is not known.
    if (this.#closed) throw this.#closed;
    const resolve = resolver({ configDir: this.#dir });
    return (name, file) => resolve(name, file, this.#defaults);
  }

  #guarded(name: string): string | undefined {
    return this.#options.registry.isGuarded(name) ? name : undefined;
  }

  /** Alone: no other change is made meanwhile. */
  async inTurn<T>(work: () => Promise<T>): Promise<T> {
    return await this.#turns.run(work);
  }

  /** The same, ahead of all that waits for its turn. */
  async inNextTurn<T>(work: () => Promise<T>): Promise<T> {
    return await this.#turns.runNext(work);
  }

  /** In a turn as `inTurn`, for what a person may have to agree to: see consent.ts. */
  async withConsent<T>(ask: Consent, work: (needs: Needs) => Promise<T>): Promise<T> {
    return await withConsent(ask, (turn) => this.inTurn(turn), work);
  }

  /** A change that a person may have to agree to. */
  async #change<T>(ask: Consent, work: (needs: Needs) => Promise<T>): Promise<T> {
    return await withConsent(ask, (turn) => this.#alone(turn), work);
  }

  /** In a turn; refused with AuthdError `vault_locked` if the vault was locked while it waited. */
  async #alone<T>(work: () => Promise<T>): Promise<T> {
    return await this.inTurn(async () => {
      this.#options.assertOpen();
      return await work();
    });
  }
}

/** What was changed, by name. */
function named({ settings, secrets, unset = [] }: ParamsOf<"credentials/set">): string {
  return [...Object.keys({ ...settings, ...secrets }), ...unset].join(", ");
}

function notHere(name: string, found: number): AuthdError {
  const why =
    found < 0
      ? "its rules were changed since the question was asked: let the program ask again"
      : "its rules are those of config.toml: add one there, or answer for a shorter time";
  return new AuthdError("invalid_params", `${name}: ${why}`, { credential: name });
}

function editedMeanwhile(name: string): AuthdError {
  const message = `${name}: its file was edited while a person was asked: look at it (authd show ${name}), then run authd trust ${name} again`;
  return new AuthdError("credential_changed", message, { credential: name });
}

function alreadyThere(name: string, hasFile: boolean): AuthdError {
  const there = hasFile
    ? `there is a credential of that name; change it with \`authd set ${name}\``
    : "the vault holds secrets of that name, whose file was removed; put the file back";
  return new AuthdError("invalid_params", `${name}: ${there}, or give --replace`, {
    credential: name,
  });
}
