import { AuthdError } from "../../errors.ts";

export const KEY_BYTES = 32;

/** Parameters of scrypt (RFC 7914), by which a passphrase becomes a key; kept in vault.json. `salt` is base64. */
export interface ScryptParameters {
  readonly N: number;
  readonly r: number;
  readonly p: number;
  readonly salt: string;
}

/** Everything that a key source works with. */
export interface KeyContext {
  /** The vault's folder. */
  readonly dir: string;
  /** Names the vault: two vaults of one user have different ones. */
  readonly keyId: string;
  readonly env: NodeJS.ProcessEnv;
  /** Asks a person; undefined if nobody is there. `isNew`: ask twice, there is no way back from a slip. */
  readonly askPassphrase: (question: { isNew: boolean }) => Promise<string | undefined>;
  /** Used instead of asking a person. */
  readonly passphrase?: string;
  /** Tells the vault's key from others, where a source may hold two: the present and the next one. */
  readonly isCurrentKey?: (key: Buffer) => boolean;
}

export interface NewKey {
  key: Buffer;
  scrypt?: ScryptParameters;
}

/**
 * Provides a vault's key from one source: a row of the table in index.ts. Every method rejects with an
 * AuthdError `vault_locked` that says why the key is not available and what to do; `create` with
 * `invalid_params` for a passphrase of the caller's that is too weak.
 */
export interface KeyProvider {
  /** Makes a new vault's key, and keeps it where `load` finds it. */
  create(context: KeyContext): Promise<NewKey>;
  /** Returns an existing vault's key, and never makes one. The caller checks whether it is the right one. */
  load(context: KeyContext, scrypt: ScryptParameters | undefined): Promise<Buffer>;
  /** Keeps the key again after the vault's folder was lost; absent for keys that are kept elsewhere. */
  restore?(dir: string, key: Buffer): Promise<void>;
  /** Removes a key that seals nothing any more; absent for keys in the vault's folder. */
  forget?(context: KeyContext): Promise<void>;
}

export function locked(message: string, cause?: unknown): AuthdError {
  return new AuthdError("vault_locked", message, cause === undefined ? {} : { cause });
}

/** Parses 32 bytes, raw or as text (64 hex digits or base64); undefined for anything else. */
export function parseKey(bytes: Buffer): Buffer | undefined {
  if (bytes.length === KEY_BYTES) return Buffer.from(bytes);
  const text = bytes.toString("latin1").trim();
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, "hex");
  if (/^[A-Za-z0-9+/]{43}=?$/.test(text)) return Buffer.from(text, "base64");
  return undefined;
}
