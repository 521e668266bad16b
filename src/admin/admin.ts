import type { Cancellation } from "../base/cancellation.ts";
import { stripControlChars } from "../base/terminal-safe.ts";
import type { NewAllowRule } from "../config/allow-rule.ts";
import {
  configDir,
  credentialFile,
  credentialFileAsItIs,
  readCredentialFile,
  tomlTable,
  withAllowance,
} from "../config/config.ts";
import { differencesOf } from "../config/differences.ts";
import type { Credential } from "../credential/credential.ts";
import { metadataDifferences } from "../credential/issuer-metadata.ts";
import { AuthdError } from "../errors.ts";
import type {
  AddResult,
  CredentialDetails,
  CredentialInfo,
  DiscoverResult,
  ParamsOf,
  ReloadResult,
  RemoveResult,
  TestResult,
} from "../protocol.ts";
import type { AdminContext, AdminOptions } from "./admin-context.ts";
import { applyAdd, applySet, assertAddable } from "./apply-input.ts";
import { needChangeConsent } from "./change-consent.ts";
import { ChangeQueue } from "./change-queue.ts";
import { type Consent, ifRestricted, once } from "./consent.ts";
import { writeFileFor } from "./credential-file.ts";
import { describe } from "./describe.ts";
import { discoverResource } from "./discover-resource.ts";
import { wantsClient, withClient } from "./register-client.ts";
import { Reloader } from "./reloader.ts";
import { removeCredential } from "./remove-credential.ts";
import { assertTrusted } from "./secret-input.ts";
import {
  registeredClientOf,
  takeBackClient,
  takeBackUnused,
  takingBackReplaced,
} from "./take-back-client.ts";
import { type TestOptions, testCredential } from "./test-credential.ts";
import { FIRST_TOKEN_TIMEOUT_MS, Trials } from "./trials.ts";

/**
 * Changes credentials: their files, their sealed records and the registry, kept in step. Changes run
 * one at a time; the first token is obtained outside of that.
 */
export class Admin {
  readonly changes: ChangeQueue;
  readonly reloader: Reloader;
  readonly trials: Trials;
  readonly #context: AdminContext;

  constructor(options: AdminOptions) {
    const { env, registry, vault, http, log, now, onEvent } = options;
    this.changes = new ChangeQueue(options.assertOpen);
    this.reloader = new Reloader(options);
    this.#context = {
      ...{ registry, vault, http, log, now, onEvent },
      dir: configDir(env),
      changes: this.changes,
      reloader: this.reloader,
    };
    this.trials = new Trials(this.#context);
  }

  async add(
    params: ParamsOf<"credentials/add">,
    signal: Cancellation,
    ask: Consent,
  ): Promise<AddResult> {
    if (params.replace) await this.#whenFree(params.name);
    const add = wantsClient(params) ? this.#addWithClient : this.#add;
    return await takingBackReplaced(this.#context, params, () =>
      add.call(this, params, signal, ask),
    );
  }

  async #add(
    params: ParamsOf<"credentials/add">,
    signal: Cancellation,
    ask: Consent,
  ): Promise<CredentialInfo> {
    const { applied, isAgain } = await this.changes.runOpenWithConsent(ask, (needs) =>
      applyAdd(this.#context, params, needs),
    );
    this.#context.onEvent({ kind: "added", credential: params.name });
    return params.register
      ? await this.trials.register(applied, isAgain, signal)
      : await this.trials.runFirst(applied, signal);
  }

  /** Registers a client outside of the turns, as an issuer may take long, and only for what may be added. */
  async #addWithClient(
    params: ParamsOf<"credentials/add">,
    signal: Cancellation,
    ask: Consent,
  ): Promise<CredentialInfo> {
    const { registry, onEvent } = this.#context;
    const { name } = params;
    const agreed = once(ask);
    const known = await this.changes.runOpenWithConsent(agreed, async (needs) => {
      assertAddable(this.#context, params, needs);
      return registry.hasLoaded(name) ? registry.get(name) : undefined;
    });
    const client = await withClient(this.#context, params, known, signal);
    const { applied } = await this.changes
      .runOpenWithConsent(agreed, (needs) =>
        applyAdd(this.#context, client.params, needs, client.registered),
      )
      .catch((error) => takeBackUnused(this.#context, client.made, error));
    onEvent({ kind: "added", credential: name });
    return await this.trials.runFirst(applied, signal);
  }

  /** Finds out how a person signs in for an API; changes nothing. */
  async discover(params: ParamsOf<"credentials/discover">): Promise<DiscoverResult> {
    return await discoverResource(this.#context, params);
  }

  async set(
    params: ParamsOf<"credentials/set">,
    signal: Cancellation,
    ask: Consent,
  ): Promise<CredentialInfo> {
    const { credential, settings, secrets, unset = [] } = params;
    // Another refresh token waits for no other host.
    if (Object.keys(secrets ?? {}).length === 0) await this.#whenFree(credential);
    const applied = await this.changes.runOpenWithConsent(ask, (needs) =>
      applySet(this.#context, params, needs),
    );
    const names = [...Object.keys({ ...settings, ...secrets }), ...unset];
    this.#context.onEvent({ kind: "set", credential, message: names.join(", ") });
    return await this.trials.runFirst(applied, signal);
  }

  /** Returns everything about a credential but its secrets, by its file as it is now. */
  show(name: string): CredentialDetails {
    const { registry, reloader, dir } = this.#context;
    const info = registry.info(name);
    const file = credentialFile(dir, name);
    if (!registry.hasLoaded(name)) return { ...info, file };
    try {
      const content = readCredentialFile(dir, name) ?? {};
      const settings = reloader.resolver()(name, content);
      return { ...info, file, ...describe(registry.get(name), { content, settings }) };
    } catch (error) {
      if (!(error instanceof AuthdError)) throw error;
      return { ...info, file };
    }
  }

  /**
   * Accepts the file as it is now; if a person was asked, as it was then (see config/binding.ts). With
   * `binding`, only the file that a person looked at, which has this binding.
   */
  async trust(
    { credential: name, binding }: ParamsOf<"credentials/trust">,
    ask: Consent,
  ): Promise<CredentialInfo> {
    const { registry, reloader, dir, onEvent } = this.#context;
    let asked = binding;
    await this.#whenFree(name);
    return await this.changes.runOpenWithConsent(ask, async (needs) => {
      const credential = registry.get(name);
      const file = readCredentialFile(dir, name);
      const settings = file ? reloader.resolver()(name, file) : credential.settings;
      if (asked !== undefined && settings.binding !== asked) throw editedMeanwhile(name);
      asked = settings.binding;
      needChangeConsent(needs, registry, settings, () => ({
        ...{ method: "credentials/trust", name, namesAll: true },
        differences: [
          ...differencesOf(settings, credential.record, file ?? {}),
          ...metadataDifferences(settings, credential.record),
        ],
      }));
      // The file may be newer than the last reload.
      credential.applySettings(settings);
      await credential.trust();
      onEvent({ kind: "trusted", credential: name });
      return credential.info();
    });
  }

  /**
   * Writes a rule that lets a program go on without a question, beside the rule that asked, and seals
   * the binding to the new file: both or nothing. Rejects with AuthdError `invalid_params`.
   */
  async allow(name: string, { executable, kind, rule }: NewAllowRule): Promise<void> {
    const { registry, reloader, dir, onEvent } = this.#context;
    await this.#whenFree(name);
    await this.changes.runOpen(async () => {
      const credential = registry.get(name);
      const resolve = reloader.resolver();
      // Read once, so that the text that is checked is the one that is written.
      const before = credentialFileAsItIs(dir, name) ?? "";
      const file = tomlTable(credentialFile(dir, name), before);
      const current = resolve(name, file);
      // The person was asked about the rules in force, not about an edit that nobody looked at.
      assertTrusted(current, credential.record);
      const rules = current.policy?.allow ?? [];
      const found = rules.findIndex((one) => one.name === rule);
      if (rules.length > 0 && (found < 0 || file.allow === undefined)) throw ruleGone(name, found);
      const asking = rules.length > 0 ? found : undefined;
      const edited = withAllowance(before, { executable, kind, asking });
      const settings = resolve(name, edited.file);
      const { text } = edited;
      await writeFileFor({ dir, name, text }, () => credential.update(settings, { secrets: {} }));
    });
    const message = `always allowed to ${stripControlChars(executable)}`;
    onEvent({ kind: "set", credential: name, message });
  }

  /**
   * Removes a credential; then, outside of the turns, takes back the client that was registered for it. While the
   * vault is locked, only one that can't be loaded.
   */
  async remove(name: string, ask: Consent): Promise<RemoveResult> {
    const { registry, changes } = this.#context;
    await this.#whenFree(name);
    const takeBack = await changes.runWithConsent(ask, async (needs) => {
      if (registry.hasLoaded(name)) changes.assertOpen();
      needs(ifRestricted(registry, name));
      const client = registeredClientOf(registry, name);
      await removeCredential(this.#context, name);
      return client;
    });
    return takeBack ? await takeBackClient(this.#context, takeBack) : {};
  }

  /** Waits outside of the turns for another host that refreshes a credential. Rejects as `Credential.whenFree`. */
  async #whenFree(name: string): Promise<void> {
    const { registry } = this.#context;
    if (registry.hasLoaded(name)) await registry.get(name).whenFree();
  }

  /** Removes a credential that another host has removed: out of `vault`, which is this host's alone. */
  async removeShared(name: string, vault: AdminContext["vault"]): Promise<void> {
    await removeCredential({ ...this.#context, vault }, name);
  }

  async reload(): Promise<ReloadResult> {
    return await this.changes.run(() => this.reloader.reload());
  }

  /** Obtains a token: with the candidate, if there is one. */
  async refresh(name: string, signal: Cancellation): Promise<CredentialInfo> {
    const credential = this.#context.registry.get(name);
    await this.trials.run({ credential, subject: credential.trial ?? credential }, signal);
    return credential.info();
  }

  /** Sends one authorized request; without a `verify`, obtains a fresh token. */
  async test(credential: Credential, options: Omit<TestOptions, "timeoutMs">): Promise<TestResult> {
    const { http } = this.#context;
    return testCredential(credential, http, { ...options, timeoutMs: FIRST_TOKEN_TIMEOUT_MS });
  }
}

function ruleGone(name: string, found: number): AuthdError {
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
