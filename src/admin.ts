import { join } from "node:path";
import {
  type Allowance,
  accessNow,
  assertCredentialName,
  coerceSettings,
  configDir,
  configFileMistake,
  credentialFileAsItIs,
  credentialFileText,
  readCredentialFile,
  removeCredentialFile,
  resolveCredential,
  updateCredentialFile,
  withAllowance,
  writeCredentialFile,
} from "./config.ts";
import type { CredentialRecord } from "./credential/record.ts";
import { boundTo, type Credential, type Entered } from "./credential.ts";
import { assertComplete, assertTrusted, enteredSecrets, kindOf, withGenerated } from "./entered.ts";
import { AuthdError, messageOf } from "./errors.ts";
import type { Http } from "./http.ts";
import type { Log } from "./log.ts";
import { plain } from "./plain.ts";
import type {
  CheckedParams,
  CredentialInfo,
  Happened,
  ReloadResult,
  TestResult,
} from "./protocol.ts";
import { register } from "./register.ts";
import type { Registry } from "./registry.ts";
import { authorizedRequest, type RequestOptions } from "./request.ts";
import { logRuleWarnings } from "./rule-warnings.ts";
import type { Configuration, CredentialSettings, DaemonSettings } from "./settings.ts";
import { Turns } from "./turns.ts";
import type { Vault } from "./vault/vault.ts";

/** How long the first try of a new credential may keep its user waiting, ms. */
const FIRST_TRY = 30_000;
/** Of what the daemon runs with, this is taken over by a reload (see observe.ts). */
const TAKEN_OVER: ReadonlySet<keyof DaemonSettings> = new Set(["notify", "hook", "lockAfter"]);

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
  onEvent: (happened: Happened) => void;
  /** Who may use what is not known until the next `reloaded`. */
  onClosed: () => void;
}

/** What a person has allowed for always, asked because of `rule`. */
export interface Allowed extends Pick<Allowance, "executable" | "kind"> {
  rule: string;
}

/** Asked before the request, or the refresh, that a test makes: throws or rejects if the caller may not. */
interface TestOptions extends Required<Pick<RequestOptions, "signal" | "admit">> {
  admitRefresh: () => Promise<void>;
}

interface Added {
  credential: Credential;
  /** Makes it as if it had not been added. */
  undo: () => Promise<void>;
}

/**
 * What changes credentials: their files, their sealed records and the registry, kept in step.
 * One change at a time; a first try at the issuer is outside of that.
 */
export class Admin {
  readonly #options: AdminOptions;
  readonly #dir: string;
  #defaults: Configuration["defaults"];
  /** What config.toml said about access when it could last be read. */
  #access: string;
  /** Why nothing is known of that now. */
  #closed: AuthdError | undefined;
  readonly #turns = new Turns();

  constructor(options: AdminOptions) {
    this.#options = options;
    this.#dir = configDir(options.env);
    this.#defaults = options.configuration.defaults;
    this.#access = options.configuration.access;
  }

  async add(
    params: CheckedParams<"credentials/add">,
    signal: AbortSignal,
  ): Promise<CredentialInfo> {
    const { registry, http } = this.#options;
    const { name } = params;
    assertCredentialName(name);
    const { credential, undo } = await this.#change(async () => {
      const existed = registry.knows(name) || readCredentialFile(this.#dir, name) !== undefined;
      if (existed && !params.replace) throw alreadyThere(name);
      const kind = kindOf(params);
      const file = updateCredentialFile(kind, coerceSettings(kind, params.settings));
      const settings = this.#resolve(name, file);
      const secrets = enteredSecrets(settings, withGenerated(params, settings));
      assertComplete(settings, secrets);
      const text = credentialFileText(file);
      const known = registry.has(name) ? registry.get(name) : undefined;
      return known?.isReadable
        ? await this.#replace(known, settings, secrets, text)
        : await this.#create(settings, secrets, text, existed);
    });
    this.#options.onEvent({ kind: "added", credential: name });
    if (params.register) {
      const { settings, record } = credential;
      await register(settings, record.secrets, http).catch(async (error) => {
        // Refused for certain: there is no such account.
        if (refusedForCertain(error)) await this.inTurn(() => this.#ifStill(credential, undo));
        throw error;
      });
    }
    return await this.#firstTry(credential, signal);
  }

  /** `existed`: its file was broken, or its sealed record damaged. */
  async #create(
    settings: CredentialSettings,
    secrets: Record<string, string>,
    text: string,
    existed: boolean,
  ): Promise<Added> {
    const { registry, vault } = this.#options;
    const { name } = settings;
    registry.dropDetached(name);
    await this.#withFile(name, text, async () => {
      const record = { secrets, ...boundTo(settings), tokens: [] };
      await vault.write(name, record, { durable: true, replaceDamaged: true, isChange: true });
    });
    registry.delete(name);
    const undo = () => (existed ? Promise.resolve() : this.#removeNow(name));
    return { credential: registry.add(settings), undo };
  }

  async #replace(
    credential: Credential,
    settings: CredentialSettings,
    secrets: Record<string, string>,
    text: string,
  ): Promise<Added> {
    const { name, settings: settingsBefore } = credential;
    const { secrets: secretsBefore, ...bound } = credential.record;
    const textBefore = credentialFileAsItIs(this.#dir, name);
    const put = async (newText: string, to: CredentialSettings, entered: Entered) =>
      await this.#withFile(name, newText, () => credential.amend(to, entered));
    await put(text, settings, { secrets, whole: true });
    // With the binding of before, too: an edit that nobody trusted is not to be trusted by this.
    const before = { secrets: secretsBefore, whole: true, bound };
    const undo = () => put(textBefore ?? text, settingsBefore, before);
    return { credential, undo };
  }

  async set(
    params: CheckedParams<"credentials/set">,
    signal: AbortSignal,
  ): Promise<CredentialInfo> {
    const credential = await this.#change(async () => {
      const credential = this.#options.registry.get(params.credential);
      const { name, record } = credential;
      const file = readCredentialFile(this.#dir, name) ?? {};
      // `set` binds, so it must not wave through an edit that nobody looked at.
      assertTrusted(this.#resolve(name, file), record);
      const edited = updateCredentialFile(file, coerceSettings(file, params.settings ?? {}));
      const settings = this.#resolve(name, edited);
      const secrets = enteredSecrets(settings, params.secrets ?? {});
      assertComplete(settings, { ...record.secrets, ...secrets });
      const amend = () => credential.amend(settings, { secrets });
      if (Object.keys(params.settings ?? {}).length === 0) await amend();
      else await this.#withFile(name, credentialFileText(edited), amend);
      return credential;
    });
    this.#options.onEvent({ kind: "set", credential: params.credential, message: named(params) });
    return await this.#firstTry(credential, signal);
  }

  async #ifStill(credential: Credential, undo: () => Promise<void>): Promise<void> {
    const { registry, log } = this.#options;
    const { name } = credential;
    if (!registry.has(name) || registry.get(name) !== credential) return;
    await undo().catch((error) => log.error({ credential: name }, messageOf(error)));
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

  /** What `trust` would accept: see config/binding.ts. Throws AuthdError. */
  bindingNow(name: string): string {
    const { settings } = this.#options.registry.get(name);
    const file = readCredentialFile(this.#dir, name);
    return (file ? this.#resolve(name, file) : settings).binding;
  }

  /** `asked`: if its file is another by now, AuthdError `credential_changed`. */
  async trust(name: string, asked?: string): Promise<CredentialInfo> {
    return await this.#change(async () => {
      const credential = this.#options.registry.get(name);
      if (asked !== undefined && this.bindingNow(name) !== asked) throw editedMeanwhile(name);
      const file = readCredentialFile(this.#dir, name);
      // What is trusted is the file as it is now, read again or not.
      if (file) credential.update(this.#resolve(name, file));
      await credential.trust();
      this.#options.onEvent({ kind: "trusted", credential: name });
      return credential.info();
    });
  }

  /**
   * Writes down that a program may go on without a person being asked, as that rule wanted it, and
   * binds to the file with it: all of it or nothing. Throws AuthdError `invalid_params`.
   */
  async allow(name: string, { executable, kind, rule }: Allowed): Promise<void> {
    await this.#change(async () => {
      const credential = this.#options.registry.get(name);
      const text = credentialFileAsItIs(this.#dir, name) ?? "";
      const file = readCredentialFile(this.#dir, name) ?? {};
      const now = this.#resolve(name, file);
      // What a person was asked about are the rules that count, not an edit that nobody looked at.
      assertTrusted(now, credential.record);
      const rules = now.policy?.allow ?? [];
      const found = rules.findIndex((one) => one.name === rule);
      if (rules.length > 0 && (found < 0 || file.allow === undefined)) throw notHere(name, found);
      const asking = rules.length > 0 ? found : undefined;
      const edited = withAllowance(text, { executable, kind, asking });
      const settings = this.#resolve(name, edited.file);
      await this.#withFile(name, edited.text, () => credential.amend(settings, { secrets: {} }));
    });
    const message = `always allowed to ${plain(executable)}`;
    this.#options.onEvent({ kind: "set", credential: name, message });
  }

  async remove(name: string): Promise<void> {
    await this.inTurn(async () => {
      if (this.#options.registry.has(name)) this.#options.assertOpen();
      await this.#removeNow(name);
    });
  }

  async #removeNow(name: string): Promise<void> {
    const { registry, vault } = this.#options;
    const credential = registry.has(name) ? registry.get(name) : undefined;
    if (!registry.knows(name)) registry.get(name);
    // A token that comes meanwhile must not be sealed again behind the removal.
    const bringBack = credential?.retire();
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
    const result = { changed, errors: [...errors, ...this.#needsRestart(configuration)] };
    const message = `${changed.length} changed, ${result.errors.length} to mend`;
    this.#options.onEvent({ kind: "reloaded", message });
    return result;
  }

  /**
   * A mistake in config.toml beside what it says about access leaves everything as it was. Otherwise it
   * is not known who may use what: nobody else may connect, and every credential is closed.
   */
  #withBrokenConfig(error: unknown): ReloadResult {
    const { registry, onClosed } = this.#options;
    const { file, message } = configFileMistake(this.#dir, error);
    const errors = [{ file, message }];
    if (!this.#closed && accessNow(this.#dir) === this.#access) return { changed: [], errors };
    this.#closed = new AuthdError(
      "invalid_params",
      `${file}, ${message} Mend it, then run: authd reload`,
    );
    onClosed();
    const changed = registry.closeAll(file, message);
    this.#options.onEvent({ kind: "reloaded", message: `${changed.length} closed, 1 to mend` });
    return { changed, errors };
  }

  /** Most of what the daemon itself runs with is read at its start only. */
  #needsRestart({ daemon }: Configuration): ReloadResult["errors"] {
    const running = this.#options.configuration.daemon;
    const keys = Object.keys({ ...running, ...daemon }) as (keyof DaemonSettings)[];
    const edited = keys.filter(
      (key) => !TAKEN_OVER.has(key) && JSON.stringify(running[key]) !== JSON.stringify(daemon[key]),
    );
    if (edited.length === 0) return [];
    const names = edited.map((key) =>
      key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    );
    const message = `${names.join(", ")}: an edit takes effect when authd is restarted.`;
    return [{ file: join(this.#dir, "config.toml"), message }];
  }

  async refresh(name: string, signal: AbortSignal): Promise<CredentialInfo> {
    const credential = this.#options.registry.get(name);
    await credential.refresh(FIRST_TRY, signal);
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

  /** An issuer that can't be had is no reason to refuse: authd goes on trying. */
  async #firstTry(credential: Credential, signal: AbortSignal): Promise<CredentialInfo> {
    try {
      await credential.refresh(FIRST_TRY, signal);
    } catch (error) {
      const reason = error instanceof AuthdError ? error.reason : "internal";
      if (reason !== "issuer_unavailable" && reason !== "timeout") throw error;
    }
    return credential.info();
  }

  #resolve(name: string, file: Readonly<Record<string, unknown>>): CredentialSettings {
    // What config.toml gives it, rules included, is not known.
    if (this.#closed) throw this.#closed;
    return resolveCredential(name, file, this.#defaults, { configDir: this.#dir });
  }

  /** Alone: no other change is made meanwhile. */
  async inTurn<T>(work: () => Promise<T>): Promise<T> {
    return await this.#turns.run(work);
  }

  /** The same, ahead of all that waits for its turn. */
  async inNextTurn<T>(work: () => Promise<T>): Promise<T> {
    return await this.#turns.runNext(work);
  }

  /** A change: refused with AuthdError `vault_locked` if the vault was locked while it waited. */
  async #change<T>(work: () => Promise<T>): Promise<T> {
    return await this.inTurn(async () => {
      this.#options.assertOpen();
      return await work();
    });
  }
}

/** What was changed, by name. */
function named({ settings = {}, secrets = {} }: CheckedParams<"credentials/set">): string {
  return [...Object.keys(settings), ...Object.keys(secrets)].join(", ");
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

function alreadyThere(name: string): AuthdError {
  return new AuthdError(
    "invalid_params",
    `${name}: there is a credential of that name; change it with \`authd set ${name}\`, or give --replace`,
    { credential: name },
  );
}

function refusedForCertain(error: unknown): boolean {
  return error instanceof AuthdError && error.contact !== undefined
    ? !error.contact.sent || error.contact.answered
    : false;
}
