import { randomBytes } from "node:crypto";
import { join } from "node:path";
import {
  assertCredentialName,
  coerceSettings,
  configDir,
  credentialFileText,
  loadConfiguration,
  readCredentialFile,
  removeCredentialFile,
  resolveCredential,
  updateCredentialFile,
  writeCredentialFile,
} from "./config.ts";
import type { Credential } from "./credential.ts";
import { AuthdError, messageOf } from "./errors.ts";
import type { Http } from "./http.ts";
import type { Log } from "./log.ts";
import { changed } from "./obstacle.ts";
import type { CheckedParams, CredentialInfo, ReloadResult, TestResult } from "./protocol.ts";
import type { CredentialRecord } from "./record.ts";
import { register } from "./register.ts";
import type { Registry } from "./registry.ts";
import { authorizedRequest } from "./request.ts";
import type { Configuration, CredentialSettings } from "./settings.ts";
import { didYouMean } from "./suggest.ts";
import type { Vault } from "./vault/vault.ts";

/** How long the first try of a new credential may keep its user waiting, ms. */
const FIRST_TRY = 30_000;
const MOST_SECRET_BYTES = 64 * 1024;

export interface AdminOptions {
  env: NodeJS.ProcessEnv;
  configuration: Configuration;
  registry: Registry;
  vault: Vault<CredentialRecord>;
  http: Http;
  log: Log;
}

/**
 * What changes credentials: their files, their sealed records and the registry, kept in step.
 * One change at a time; a first try at the issuer is outside of that.
 */
export class Admin {
  readonly #options: AdminOptions;
  readonly #dir: string;
  #defaults: Configuration["defaults"];
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: AdminOptions) {
    this.#options = options;
    this.#dir = configDir(options.env);
    this.#defaults = options.configuration.defaults;
  }

  async add(
    params: CheckedParams<"credentials/add">,
    signal: AbortSignal,
  ): Promise<CredentialInfo> {
    const { registry, vault, http } = this.#options;
    const { name } = params;
    assertCredentialName(name);
    const { credential, existed } = await this.#inTurn(async () => {
      const existed = registry.knows(name) || readCredentialFile(this.#dir, name) !== undefined;
      if (existed && !params.replace) throw alreadyThere(name);
      const kind = kindOf(params);
      const file = updateCredentialFile(kind, coerceSettings(kind, params.settings));
      const settings = resolveCredential(name, file, this.#defaults, { configDir: this.#dir });
      const secrets = enteredSecrets(settings, withGenerated(params, settings));
      assertComplete(settings, secrets);
      // Sealed before anything is tried: some APIs show a secret only once.
      await vault.write(
        name,
        { secrets, binding: settings.binding, tokens: [] },
        { durable: true, replaceDamaged: true },
      );
      writeCredentialFile(this.#dir, name, credentialFileText(file));
      if (registry.has(name)) registry.delete(name);
      return { credential: registry.add(settings), existed };
    });
    if (params.register) {
      const { settings, record } = credential;
      await register(settings, record?.secrets ?? {}, http).catch(async (error) => {
        // Refused for certain: the account is somebody else's, so nothing here is worth keeping.
        if (!existed && refusedForCertain(error)) await this.remove(name);
        throw error;
      });
    }
    return await this.#firstTry(credential, signal);
  }

  async set(
    params: CheckedParams<"credentials/set">,
    signal: AbortSignal,
  ): Promise<CredentialInfo> {
    const { registry } = this.#options;
    const credential = registry.get(params.credential);
    const { name } = credential;
    await this.#inTurn(async () => {
      const file = readCredentialFile(this.#dir, name) ?? {};
      const before = this.#resolve(name, file);
      // `set` binds, so it must not wave through an edit that nobody looked at.
      assertTrusted(name, before, credential.record);
      const changed = updateCredentialFile(file, coerceSettings(file, params.settings ?? {}));
      const settings = this.#resolve(name, changed);
      const secrets = enteredSecrets(settings, params.secrets ?? {});
      assertComplete(settings, { ...credential.record?.secrets, ...secrets });
      const rewrites = Object.keys(params.settings ?? {}).length > 0;
      if (rewrites) writeCredentialFile(this.#dir, name, credentialFileText(changed));
      try {
        await credential.amend(settings, secrets);
      } catch (error) {
        if (rewrites) writeCredentialFile(this.#dir, name, credentialFileText(file));
        throw error;
      }
    });
    return await this.#firstTry(credential, signal);
  }

  async trust(name: string): Promise<CredentialInfo> {
    const credential = this.#options.registry.get(name);
    await this.#inTurn(async () => {
      const file = readCredentialFile(this.#dir, name);
      // What is trusted is the file as it is now, read again or not.
      if (file) credential.update(this.#resolve(name, file));
      await credential.trust();
    });
    return credential.info();
  }

  async remove(name: string): Promise<void> {
    const { registry, vault } = this.#options;
    await this.#inTurn(async () => {
      if (!registry.knows(name)) registry.get(name);
      // The secret first: a leftover file is harmless, a leftover secret is not.
      await vault.remove(name);
      removeCredentialFile(this.#dir, name);
      registry.delete(name);
    });
  }

  /** Reads the configuration again. A broken file leaves its credential as it was. */
  async reload(): Promise<ReloadResult> {
    return await this.#inTurn(async () => {
      const { env, registry, log } = this.#options;
      let configuration: Configuration;
      try {
        configuration = loadConfiguration({ dir: this.#dir, env });
      } catch (error) {
        // What concerns all of them, such as a broken config.toml: everything stays as it was.
        log.error({}, messageOf(error));
        const file = join(this.#dir, "config.toml");
        return { changed: [], errors: [{ file, message: messageOf(error) }] };
      }
      this.#defaults = configuration.defaults;
      const changed = registry.apply(configuration);
      for (const { file, message } of configuration.errors) log.error({ file }, message);
      const errors = configuration.errors.map(({ file, message }) => ({ file, message }));
      return { changed, errors };
    });
  }

  async refresh(name: string, signal: AbortSignal): Promise<CredentialInfo> {
    const credential = this.#options.registry.get(name);
    await credential.refresh(FIRST_TRY, signal);
    return credential.info();
  }

  /** One real authorized request, or without a `verify` a fresh token. */
  async test(name: string, signal: AbortSignal): Promise<TestResult> {
    const credential = this.#options.registry.get(name);
    const { verify } = credential.settings;
    if (!verify) {
      await credential.refresh(FIRST_TRY, signal);
      const detail = `${name}: got a fresh token; the API itself is untested, as there is no \`verify\` request`;
      return { ok: true, verified: false, detail };
    }
    const params = { credential: name, method: verify.method, url: verify.url };
    const { status, statusText } = await authorizedRequest(credential, this.#options.http, params, {
      signal,
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
    return resolveCredential(name, file, this.#defaults, { configDir: this.#dir });
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work, work);
    this.#turn = turn.catch(() => {});
    return await turn;
  }
}

function kindOf({ name, preset, grant }: CheckedParams<"credentials/add">) {
  if ((preset === undefined) === (grant === undefined)) {
    throw new AuthdError("invalid_params", `${name}: name either a preset or a grant`, {
      credential: name,
    });
  }
  return preset === undefined ? { grant } : { preset };
}

function alreadyThere(name: string): AuthdError {
  return new AuthdError(
    "invalid_params",
    `${name}: there is a credential of that name; change it with \`authd set ${name}\`, or give --replace`,
    { credential: name },
  );
}

function assertTrusted(
  name: string,
  settings: CredentialSettings,
  record: CredentialRecord | undefined,
): void {
  if (!record || Object.keys(record.secrets).length === 0) return;
  if (record.binding === settings.binding) return;
  throw changed(name);
}

/** `--register` may make the password up: nobody needs to know it. */
function withGenerated(
  { name, secrets, register }: CheckedParams<"credentials/add">,
  settings: CredentialSettings,
): Record<string, string> {
  if (!register) return secrets;
  if (!settings.register) {
    throw new AuthdError(
      "invalid_params",
      `${name}: this preset has no way to register an account`,
      {
        credential: name,
      },
    );
  }
  const made = { [settings.register.generates]: randomBytes(24).toString("base64url") };
  return { ...made, ...secrets };
}

function enteredSecrets(
  { name, secrets: fields }: CredentialSettings,
  given: Readonly<Record<string, string>>,
): Record<string, string> {
  const known = fields.map((field) => field.name);
  for (const [key, value] of Object.entries(given)) {
    const problem = !known.includes(key)
      ? `it has no secret "${key.slice(0, 64)}".${didYouMean(key, known)}`
      : value === ""
        ? `the secret ${key} is empty`
        : Buffer.byteLength(value) > MOST_SECRET_BYTES
          ? `the secret ${key} is longer than 64 KiB`
          : undefined;
    if (problem)
      throw new AuthdError("invalid_params", `${name}: ${problem}`, { credential: name });
  }
  return { ...given };
}

function assertComplete(
  { name, secrets: fields }: CredentialSettings,
  secrets: Readonly<Record<string, string>>,
): void {
  const missing = fields.filter((field) => !field.optional && !secrets[field.name]);
  if (missing.length === 0) return;
  const names = missing.map((field) => field.name).join(", ");
  throw new AuthdError(
    "invalid_params",
    `${name}: missing ${names}; type it when authd asks for it on a terminal, or give --secrets-from FILE`,
    { credential: name },
  );
}

function refusedForCertain(error: unknown): boolean {
  return error instanceof AuthdError && error.contact !== undefined
    ? !error.contact.sent || error.contact.answered
    : false;
}
