/** Keeps files with a token current: for Prometheus and others that read a file again. */
import { hash } from "node:crypto";
import type { Cancellation } from "../../base/cancellation.ts";
import type { Log } from "../../base/log.ts";
import { omitUndefined } from "../../base/omit-undefined.ts";
import type { Credential } from "../../credential/credential.ts";
import type { IssuedToken } from "../../credential/issued-token.ts";
import type { TokenFile } from "../../credential/record.ts";
import type { Registry } from "../../credential/registry.ts";
import { AuthdError, messageOf } from "../../errors.ts";
import type { EventPayload, ParamsOf, TokenFileInfo, Trouble } from "../../protocol.ts";
import type { ChangeQueue } from "../change-queue.ts";
import {
  assertAbsent,
  clearBeside,
  contentOf,
  deleteTokenFile,
  isGone,
  tokenFileOf,
  writeTokenFile,
} from "./token-file.ts";

/** Time (ms) that a file waits for its token. */
const TOKEN_TIMEOUT_MS = 30_000;
/** Files of one credential, and of all. */
const [MAX_FILES_EACH, MAX_FILES] = [16, 256];

/** Events after which a credential's files are looked at. */
const SEEN_AFTER: ReadonlySet<EventPayload["kind"]> = new Set([
  ...(["refreshed", "added", "set", "trusted", "signed_in"] as const),
]);

export interface TokenFilesOptions {
  registry: Registry;
  changes: ChangeQueue;
  log: Log;
  /** Wall clock, ms. */
  now: () => number;
  onEvent: (happened: EventPayload) => void;
  /** Writes down that a token is about to be written to a file. Rejects if that must not happen. */
  audit: (credential: string, issued: IssuedToken) => Promise<void>;
}

/** Decides whether the caller may have the file; true if rules limit the credential, and a person agreed. */
export type Permit = (credential: Credential, file: TokenFile) => Promise<boolean>;

/** A file, and how it is. */
interface Kept {
  readonly credential: string;
  file: TokenFile;
  /** SHA-256 of the content that was written last; undefined: the file is to be written. */
  written?: string | undefined;
  writtenAt?: number;
  expiresAt?: number | null;
  problem?: string | undefined;
  /** Settles when nobody writes the file any more; undefined: nobody does. */
  writing?: Promise<void> | undefined;
}

/**
 * Token files are part of the sealed record, so that nobody can redirect a token by editing a file. Each is
 * written when its credential has another token, and looked at with every tick of the registry's timer.
 */
export class TokenFiles {
  readonly #options: TokenFilesOptions;
  /** By path. They stay here while the vault is locked. */
  readonly #kept = new Map<string, Kept>();
  #isClosed = false;

  constructor(options: TokenFilesOptions) {
    this.#options = options;
  }

  /** Writes the file, then seals that it is to be kept. Rejects with AuthdError, nothing being kept then. */
  async add(
    params: ParamsOf<"tokenFiles/add">,
    permit: Permit,
    signal: Cancellation,
  ): Promise<TokenFileInfo> {
    const { registry, changes, onEvent } = this.#options;
    const credential = registry.get(params.credential);
    const file = tokenFileOf(params);
    this.#assertFree(credential, file.path);
    assertPlain(credential);
    if (await permit(credential, file)) file.agreed = true;
    const { scope, audience } = file;
    const limits = { timeoutMs: TOKEN_TIMEOUT_MS, signal };
    await credential.token({ ...omitUndefined({ scope, audience }), ...limits });
    const { name } = credential;
    const kept = await changes.runOpen(async () => {
      this.#assertFree(credential, file.path);
      const known = this.#kept.get(file.path);
      await known?.writing;
      const added: Kept = { credential: name, file };
      await this.#write(credential, added).catch((error) => throwAsOurs(name, error));
      const others = (credential.tokenFiles ?? []).filter(({ path }) => path !== file.path);
      await credential.setTokenFiles([...others, file]).catch(async (error) => {
        if (!known) await deleteTokenFile(file);
        throw error;
      });
      this.#kept.set(file.path, added);
      return added;
    });
    this.#report(name);
    onEvent({ kind: "token_file", credential: name, message: `its token is kept in ${file.path}` });
    return infoOf(kept);
  }

  list(): TokenFileInfo[] {
    const all = [...this.#kept.values()].map(infoOf);
    return all.sort((one, other) => (one.path < other.path ? -1 : 1));
  }

  /** Deletes a file, and keeps it no more. Rejects with AuthdError `invalid_params` for an unknown path. */
  async remove(path: string): Promise<{ credential: string }> {
    const { registry, changes, onEvent } = this.#options;
    return await changes.runOpen(async () => {
      const kept = this.#kept.get(path);
      if (!kept) {
        const text = `authd keeps no file ${path}. authd token-file --list shows those that it keeps`;
        throw new AuthdError("invalid_params", text);
      }
      const { credential, file } = kept;
      const owner = registry.get(credential);
      this.#kept.delete(path);
      try {
        await kept.writing;
        const left = await deleteTokenFile(file);
        if (left !== undefined) throw new AuthdError("request_failed", left, { credential });
        const others = (owner.tokenFiles ?? []).filter((other) => other.path !== path);
        await owner.setTokenFiles(others);
      } catch (error) {
        this.#kept.set(path, kept);
        throw error;
      }
      this.#report(credential);
      onEvent({
        kind: "token_file",
        credential,
        message: `its token is no longer kept in ${path}`,
      });
      return { credential };
    });
  }

  /** Reads from all records which files to keep: at the start, and when records were read again. */
  resume(): void {
    const { registry } = this.#options;
    for (const credential of registry.all()) this.#follow(credential);
    const names = new Set([...this.#kept.values()].map(({ credential }) => credential));
    for (const name of names) if (!registry.hasAny(name)) this.#drop(name);
    this.tick();
  }

  /** Writes nothing any more; the files stay as they are. */
  close(): void {
    this.#isClosed = true;
  }

  /** Looks at every file. */
  tick(): void {
    for (const kept of this.#kept.values()) void this.#renew(kept);
  }

  onEvent({ kind, credential: name, before }: EventPayload): void {
    if (kind === "reloaded") return void setImmediate(() => this.resume());
    if (name === undefined) return;
    if (kind === "state" && before === "locked")
      return void setImmediate(() => this.#unlocked(name));
    if (this.#kept.size === 0) return;
    if (kind === "removed") this.#drop(name);
    const files = this.#of(name);
    if (files.length === 0) return;
    if (kind === "signed_out") {
      for (const kept of files) void this.#withdraw(kept);
    }
    // The event comes before the token can be had.
    if (SEEN_AFTER.has(kind)) {
      setImmediate(() => {
        for (const kept of this.#of(name)) void this.#renew(kept);
      });
    }
  }

  #unlocked(name: string): void {
    const { registry } = this.#options;
    if (!registry.hasLoaded(name)) return;
    this.#follow(registry.get(name));
    for (const kept of this.#of(name)) void this.#renew(kept);
  }

  #of(name: string): Kept[] {
    return [...this.#kept.values()].filter(({ credential }) => credential === name);
  }

  /** Takes over what a record says; while it can't be read, what was known stays. */
  #follow(credential: Credential): void {
    const { tokenFiles } = credential;
    if (!tokenFiles) return;
    const { name } = credential;
    const paths = new Set(tokenFiles.map(({ path }) => path));
    for (const kept of this.#of(name)) {
      if (paths.has(kept.file.path)) continue;
      this.#kept.delete(kept.file.path);
      void this.#withdraw(kept);
    }
    for (const file of tokenFiles) {
      const known = this.#kept.get(file.path);
      if (known?.credential === name) known.file = file;
      if (known) continue;
      clearBeside(file);
      this.#kept.set(file.path, { credential: name, file });
    }
  }

  /** Deletes the files of a credential that is gone. */
  #drop(name: string): void {
    for (const kept of this.#of(name)) {
      this.#kept.delete(kept.file.path);
      void this.#withdraw(kept);
    }
  }

  async #withdraw(kept: Kept): Promise<void> {
    await kept.writing;
    kept.written = undefined;
    const left = await deleteTokenFile(kept.file);
    if (left !== undefined) this.#options.log.warn({ credential: kept.credential }, left);
  }

  /** Writes the file if it is not as it should be. Never rejects. */
  async #renew(kept: Kept): Promise<void> {
    if (kept.writing || this.#isClosed) return;
    kept.writing = this.#look(kept).finally(() => {
      kept.writing = undefined;
    });
    await kept.writing;
  }

  async #look(kept: Kept): Promise<void> {
    const { credential: name } = kept;
    let problem: string | undefined;
    try {
      const { registry } = this.#options;
      if (!registry.hasLoaded(name)) throw new Error("its credential can't be used");
      await this.#write(registry.get(name), kept);
    } catch (error) {
      problem = this.#problemOf(kept, error);
    }
    if (this.#kept.get(kept.file.path) !== kept || problem === kept.problem) return;
    const message = problem ?? `${kept.file.path} holds a token that is valid again`;
    kept.problem = problem;
    this.#report(name);
    if (problem === undefined) this.#options.log.info({ credential: name }, message);
    else this.#options.log.warn({ credential: name }, message);
    this.#options.onEvent({ kind: "token_file", credential: name, message });
  }

  /** Returns what is wrong; undefined while the file holds a valid token, although there is no newer one. */
  #problemOf({ file: { path }, expiresAt, written }: Kept, error: unknown): string | undefined {
    if (!(error instanceof AuthdError)) return messageOf(error);
    const { reason, message } = error;
    if (reason === "token_not_exposed" || reason === "caller_not_allowed") return message;
    const isValid = expiresAt === null || (expiresAt ?? 0) > this.#options.now();
    if (written !== undefined && isValid) return undefined;
    return `${path} holds no valid token: ${message}`;
  }

  /** Writes the credential's token, unless the file holds it. */
  async #write(credential: Credential, kept: Kept): Promise<void> {
    const { file } = kept;
    const { name } = credential;
    assertPlain(credential);
    assertAgreed(credential, file);
    const { scope, audience } = file;
    const timeoutMs = TOKEN_TIMEOUT_MS;
    const issued = await credential.token({ timeoutMs, ...omitUndefined({ scope, audience }) });
    const content = contentOf(file, issued.answer, name);
    const digest = hash("sha256", content);
    if (digest === kept.written && !(await isGone(file.path))) return;
    await this.#options.audit(name, issued);
    await writeTokenFile(file, content);
    credential.recordUsed(issued);
    const { expiresAt } = issued.answer;
    Object.assign(kept, { written: digest, writtenAt: this.#options.now(), expiresAt });
  }

  #assertFree(credential: Credential, path: string): void {
    const { name } = credential;
    const known = this.#kept.get(path);
    if (!known) assertAbsent(path, { credential: name });
    if (known && known.credential !== name) {
      const text = `${path} is kept for ${known.credential}. To give it to ${name}: authd token-file --remove ${path}, then add it again.`;
      throw new AuthdError("invalid_params", `${name}: ${text}`, { credential: name });
    }
    const count = this.#of(name).length;
    if (known || (count < MAX_FILES_EACH && this.#kept.size < MAX_FILES)) return;
    const text = `authd keeps ${MAX_FILES_EACH} files of a credential, and ${MAX_FILES} in all`;
    throw new AuthdError("invalid_params", `${name}: ${text}.`, { credential: name });
  }

  /** Has people see the problems of a credential's files. */
  #report(name: string): void {
    const { registry } = this.#options;
    if (!registry.hasLoaded(name)) return;
    const troubles = this.#of(name).flatMap(({ problem: message }): Trouble[] =>
      message === undefined ? [] : [{ reason: "token_file", message, help: HELP }],
    );
    registry.get(name).reportTokenFiles(troubles);
  }
}

function throwAsOurs(credential: string, cause: unknown): never {
  if (cause instanceof AuthdError) throw cause;
  const text = `${credential}: ${messageOf(cause)}. Nothing is kept`;
  throw new AuthdError("request_failed", text, { credential, cause });
}

const HELP = "authd token-file --list";

/** Throws AuthdError `invalid_params` for tokens that are of no use without a proof for each request. */
function assertPlain({ name, prover }: Credential): void {
  if (!prover) return;
  const text = `${name}: its tokens are bound to a key (dpop), and a file can't sign requests: authd request ${name} URL does`;
  throw new AuthdError("invalid_params", text, { credential: name });
}

/** Throws AuthdError if rules came since the file was asked for, or allow no token at all. */
function assertAgreed(
  { name, settings, isRestricted }: Credential,
  { path, agreed }: TokenFile,
): void {
  if (settings.policy?.expose === "request") {
    const text = `${name}: it hands out no token any more (expose), so ${path} is not renewed: authd token-file --remove ${path}`;
    throw new AuthdError("token_not_exposed", text, { credential: name });
  }
  if (!isRestricted || agreed) return;
  const text = `${name}: it has rules since ${path} was asked for: authd token-file ${name} ${path} asks a person whether it may be kept`;
  throw new AuthdError("caller_not_allowed", text, { credential: name });
}

function infoOf({ credential, file, writtenAt, expiresAt, problem }: Kept): TokenFileInfo {
  const { agreed: _, ...shown } = file;
  return { credential, ...shown, ...omitUndefined({ writtenAt, expiresAt, problem }) };
}
