/** Tries what a person entered, and puts a candidate in force once it has worked. */
import type { Cancellation } from "../base/cancellation.ts";
import type { Credential } from "../credential/credential.ts";
import { isTerminal } from "../credential/refusals.ts";
import { isLastingFailure } from "../credential/troubles.ts";
import { AuthdError, messageOf } from "../errors.ts";
import type { CredentialInfo } from "../protocol.ts";
import type { AdminContext } from "./admin-context.ts";
import { writeFileFor } from "./credential-file.ts";
import {
  type AppliedInput,
  isCurrent,
  keptBeside,
  keptWithoutToken,
  refusedAtFirst,
} from "./credential-input.ts";
import { isNotRegistered, registerAccount, registeredPerhaps } from "./register-account.ts";

/** Time (ms) that a person waits for the first token at most. */
export const FIRST_TOKEN_TIMEOUT_MS = 30_000;

/** Puts the candidate of a credential in force, if there is one. Runs in a turn. */
export async function promoteNow(
  { dir, reloader }: AdminContext,
  credential: Credential,
): Promise<void> {
  const { name, candidate } = credential;
  if (!candidate) return;
  const { file: text } = candidate;
  if (text === undefined) {
    await credential.promote(credential.settings);
    return;
  }
  const settings = reloader.settingsFrom(name, text);
  await writeFileFor({ dir, name, text }, () => credential.promote(settings));
}

/** Obtains tokens with new input, outside of the queue of changes: an issuer may take long. */
export class Trials {
  readonly #context: AdminContext;

  constructor(context: AdminContext) {
    this.#context = context;
  }

  /** Puts a candidate that has worked in force, unless other settings were trusted since it was entered. */
  async promote(name: string): Promise<void> {
    const { registry, log, changes } = this.#context;
    await changes.run(async () => {
      if (!registry.hasLoaded(name)) return;
      const credential = registry.get(name);
      const { candidate, trial } = credential;
      if (!candidate || !trial?.snapshot().tokens.length) return;
      if (candidate.replaces === credential.record.binding) {
        await promoteNow(this.#context, credential).catch((error) => {
          credential.promoteLater();
          throw error;
        });
        return;
      }
      const message = `${name}: its new secrets work, but others have replaced the settings that they were entered for: authd set ${name} --force puts them in force`;
      log.warn({ credential: name }, message);
    });
  }

  /** Obtains a token, and puts a candidate in force that has worked. */
  async run(
    { credential, subject }: Pick<AppliedInput, "credential" | "subject">,
    signal: Cancellation,
  ): Promise<void> {
    try {
      await subject.refresh(FIRST_TOKEN_TIMEOUT_MS, signal);
    } catch (error) {
      const isRefused = error instanceof AuthdError && isTerminal(error);
      throw isRefused && subject !== credential ? keptBeside(credential.name, error) : error;
    }
    if (subject !== credential) await this.promote(credential.name);
  }

  /**
   * Tries new input. If the issuer can't be reached, that is no error: authd retries later. So it does
   * after a refusal that is not final, and at an address that gives no tokens, but those are errors, since
   * the person may have mistyped.
   */
  async runFirst(applied: AppliedInput, signal: Cancellation): Promise<CredentialInfo> {
    const { login } = applied.subject.info();
    // There is nothing to try before a person has signed in.
    if (login && login.signedInAt === undefined) return applied.credential.info();
    try {
      await this.run(applied, signal);
    } catch (error) {
      if (!(error instanceof AuthdError)) throw error;
      if (error.reason !== "issuer_unavailable" && error.reason !== "timeout") throw error;
      if (error.contact?.refusal !== undefined) throw refusedAtFirst(applied, error);
      if (isLastingFailure(error)) throw keptWithoutToken(applied, error);
    }
    return applied.credential.info();
  }

  /** Registers the account, then tries to sign in. The input is sealed already, and not used meanwhile. */
  async register(
    applied: AppliedInput,
    isAgain: boolean,
    signal: Cancellation,
  ): Promise<CredentialInfo> {
    const { subject } = applied;
    const { settings, record } = subject;
    try {
      await registerAccount(settings, record.secrets, this.#context.http);
    } catch (error) {
      if (!(error instanceof AuthdError)) throw error;
      if (!isNotRegistered(error, isAgain)) return await this.#signInAfter(error, applied, signal);
      await this.#ifCurrent(applied, applied.undo);
      throw error;
    }
    await this.#ifCurrent(applied, () => subject.refuse(undefined));
    return await this.runFirst(applied, signal);
  }

  /** Signs in after a registration whose result is not known: only that tells whether the account exists. */
  async #signInAfter(
    registration: AuthdError,
    applied: AppliedInput,
    signal: Cancellation,
  ): Promise<CredentialInfo> {
    const { credential, subject } = applied;
    try {
      await subject.refresh(FIRST_TOKEN_TIMEOUT_MS, signal);
    } catch (error) {
      if (!(error instanceof AuthdError)) throw error;
      const now = this.#context.now();
      const refused = registeredPerhaps(subject.settings, now, [registration, error]);
      await this.#ifCurrent(applied, () => subject.refuse(refused));
      const { reason, message } = refused;
      throw new AuthdError(reason, message, { credential: credential.name, cause: error });
    }
    await this.promote(credential.name);
    return credential.info();
  }

  /** Does `work` in a turn, if nothing else was entered meanwhile. Logs its error. */
  async #ifCurrent(applied: AppliedInput, work: () => Promise<void>): Promise<void> {
    const { registry, log, changes } = this.#context;
    const { credential } = applied;
    const { name } = credential;
    await changes.run(async () => {
      const isThere = registry.hasLoaded(name) && registry.get(name) === credential;
      if (!isThere || !isCurrent(applied)) return;
      await work().catch((error) => log.error({ credential: name }, messageOf(error)));
    });
  }
}
