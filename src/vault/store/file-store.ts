import { existsSync, mkdirSync, readFileSync, watch } from "node:fs";
import { dirname, join } from "node:path";
import { replaceFile } from "../../base/atomic-write.ts";
import { explainFileError } from "../../base/file-error.ts";
import { Turns } from "../../base/turns.ts";
import { AuthdError, errorCode } from "../../errors.ts";
import { isFree, leaseUntil, newEntry } from "./entry.ts";
import { type FileState, parseState, serializeState, takesPlace, withHost } from "./file-state.ts";
import { type FolderLock, lockFolder } from "./folder-lock.ts";
import type {
  Acquire,
  Changes,
  Commit,
  Host,
  Intend,
  KeyChange,
  NewHost,
  Outcome,
  Replacement,
  Restoration,
  Store,
  StoreEntry,
  Timed,
} from "./store.ts";
import { StoreRefusal } from "./store-refusal.ts";

const FILE = "store.json";
/** Codes of errors that only a person ends. */
const REFUSED = new Set(["EACCES", "EPERM", "EROFS"]);

/** Makes the entry that takes a record's place; undefined leaves it as it is. */
type Change<Entry = StoreEntry | undefined> = (
  entry: Entry,
  nowMs: number,
  state: FileState,
) => StoreEntry | undefined;

/**
 * A store in a folder that daemons of one machine share, such as those of its containers: one file, which every
 * change replaces, and one lock that is held meanwhile. Its clock is the machine's. For tens of credentials.
 */
export class FileStore implements Store {
  readonly #dir: string;
  readonly #nowMs: () => number;
  readonly #turns = new Turns();

  /**
   * Makes the folder if it is missing, but none above it: a volume may not be mounted there. `nowMs` is the store's clock.
   * Throws AuthdError `invalid_params`: no other folder takes its place.
   */
  constructor(dir: string, nowMs = Date.now) {
    this.#dir = dir;
    this.#nowMs = nowMs;
    try {
      if (!existsSync(dirname(dir))) throw noParent(dir);
      mkdirSync(dir, { recursive: true, mode: 0o700 });
    } catch (cause) {
      throw unusable(dir, cause, "invalid_params");
    }
  }

  async read(name: string): Promise<Timed<{ entry: StoreEntry | undefined }>> {
    return await this.#locked((state, nowMs) => ({
      entry: entryOf(state, name),
      ...timeOf(state, nowMs),
    }));
  }

  async changesSince(change: number): Promise<Timed<Changes>> {
    return await this.#locked((state, nowMs) => {
      const since = change > state.change ? -1 : change;
      const entries = [...state.records.values()].filter(
        ({ entry, change: at }) => entry.version > 0 && at > since,
      );
      return {
        change: state.change,
        entries: entries.map(({ entry }) => entry),
        ...timeOf(state, nowMs),
      };
    });
  }

  async acquire(name: string, { holder, epoch, ttlMs }: Acquire): Promise<Timed<Outcome>> {
    return await this.#change(name, (known, nowMs, { setBack }) => {
      const entry = known ?? newEntry(name);
      if (setBack !== undefined || entry.epoch !== epoch || !isFree(entry, holder, nowMs))
        return undefined;
      return { ...entry, epoch: epoch + 1, lease: { holder, untilMs: nowMs + ttlMs } };
    });
  }

  async renew(name: string, epoch: number, ttlMs: number): Promise<Timed<Outcome>> {
    return await this.#changeOf(name, epoch, (entry, nowMs) => {
      const { lease } = entry;
      return lease && { ...entry, lease: { ...lease, untilMs: nowMs + ttlMs } };
    });
  }

  async intend(name: string, { epoch, hash, ttlMs }: Intend): Promise<Timed<Outcome>> {
    return await this.#changeOf(name, epoch, (entry, nowMs, { setBack }) => {
      const { lease } = entry;
      if (setBack !== undefined || !lease || lease.untilMs <= nowMs) return undefined;
      const deadlineMs = nowMs + ttlMs;
      const openedMs = Math.min(entry.intent?.openedMs ?? nowMs, nowMs);
      const intent = { holder: lease.holder, epoch, hash, openedMs, deadlineMs };
      return { ...entry, intent, lease: leaseUntil(lease, deadlineMs) };
    });
  }

  async commit(name: string, commit: Commit): Promise<Timed<Outcome>> {
    const { keyId, epoch, version, payload, holder, settles } = commit;
    return await this.#changeOf(name, epoch, (entry, nowMs, state) => {
      if (entry.version !== version || keyId !== state.keyId) return undefined;
      const by = { committedBy: holder, committedMs: nowMs };
      const ended = { lease: undefined, intent: settles ? undefined : entry.intent, ...by };
      return { ...entry, ...ended, version: version + 1, payload };
    });
  }

  async restore(name: string, restoration: Restoration): Promise<Timed<Outcome>> {
    const { keyId, version, payload, holder, settles, hash, intent } = restoration;
    return await this.#change(name, (known, nowMs, state) => {
      const entry = known ?? newEntry(name);
      const lacks =
        entry.version < version || (entry.version === version && intent && !entry.intent);
      if (!lacks || keyId !== state.keyId) return undefined;
      const epoch = Math.max(entry.epoch, restoration.epoch) + 1;
      const by = { committedBy: holder, committedMs: nowMs };
      const open = intent && {
        ...{ holder: intent.holder, epoch, hash: intent.hash, openedMs: 0 },
        deadlineMs: nowMs + intent.ttlMs,
      };
      const kept = settles && entry.intent?.hash !== hash ? undefined : entry.intent;
      return { ...entry, ...by, lease: undefined, intent: open ?? kept, version, payload, epoch };
    });
  }

  async release(name: string, epoch: number, settled: boolean): Promise<Timed<Outcome>> {
    return await this.#changeOf(name, epoch, (entry) => ({
      ...entry,
      lease: undefined,
      intent: settled ? undefined : entry.intent,
    }));
  }

  watch(onChange: (name: string | undefined) => void): () => void {
    const watcher = watch(this.#dir, (_, file) => {
      if (file === FILE) onChange(undefined);
    });
    // Whoever asks for changes now and then finds them without it.
    watcher.on("error", () => watcher.close());
    return () => watcher.close();
  }

  async hosts(): Promise<Timed<{ hosts: readonly Host[]; keyId: string | undefined }>> {
    return await this.#locked((state, nowMs) => {
      const { hosts, keyId } = state;
      return { hosts, keyId, ...timeOf(state, nowMs) };
    });
  }

  async putHost(host: NewHost, { from, to }: KeyChange): Promise<boolean> {
    return await this.#edit((state, nowMs) => {
      if (state.keyId !== from) return false;
      const others = state.hosts.filter(({ name }) => name !== host.name);
      state.hosts = [...others, withHost(state, host, nowMs)];
      state.keyId = to;
      return true;
    });
  }

  async seen(name: string): Promise<void> {
    await this.#edit((state, nowMs) => {
      if (state.setBack === undefined) noteOfHost(state, name, { seenMs: nowMs });
    });
  }

  async tell(name: string, recovery: string): Promise<void> {
    await this.#edit((state) => noteOfHost(state, name, { told: recovery }));
  }

  async markSetBack(mark: string): Promise<void> {
    await this.#edit((state) => {
      state.setBack ??= mark;
    });
  }

  async settle(recovery: string): Promise<void> {
    await this.#edit((state) => {
      if (state.setBack === recovery) state.setBack = undefined;
    });
  }

  async invite(id: string, wrappedKey: Buffer, ttlMs: number): Promise<void> {
    await this.#edit((state, nowMs) => {
      state.invites.push({ id, wrappedKey, untilMs: nowMs + ttlMs });
    });
  }

  async takeInvite(id: string): Promise<Buffer | undefined> {
    return await this.#edit((state, nowMs) => {
      const open = state.invites.filter(({ untilMs }) => untilMs > nowMs);
      state.invites = open.filter((invite) => invite.id !== id);
      return open.find((invite) => invite.id === id)?.wrappedKey;
    });
  }

  async replaceAll(replacement: Replacement): Promise<boolean> {
    return await this.#edit((state, nowMs) => takesPlace(state, replacement, nowMs));
  }

  async close(): Promise<void> {
    await this.#turns.run(async () => {});
  }

  #changeOf(name: string, epoch: number, change: Change<StoreEntry>): Promise<Timed<Outcome>> {
    return this.#change(name, (entry, nowMs, state) =>
      entry?.epoch === epoch ? change(entry, nowMs, state) : undefined,
    );
  }

  async #change(name: string, change: Change): Promise<Timed<Outcome>> {
    return await this.#edit((state, nowMs) => {
      const before = entryOf(state, name);
      const after = change(before, nowMs, state);
      if (!after) return { done: false, entry: before, ...timeOf(state, nowMs) };
      const isCommit = after.version !== (before?.version ?? 0);
      if (isCommit) state.change++;
      const at = isCommit ? state.change : (state.records.get(name)?.change ?? 0);
      state.records.set(name, { entry: after, change: at });
      return { done: true, entry: after, ...timeOf(state, nowMs) };
    });
  }

  /** Changes the file, unless `edit` leaves everything as it is. */
  async #edit<T>(edit: (state: FileState, nowMs: number) => T): Promise<T> {
    return await this.#locked(async (state, nowMs) => {
      const before = serializeState(state);
      const result = edit(state, nowMs);
      const after = serializeState(state);
      if (after !== before) await replaceFile(join(this.#dir, FILE), after, { sync: "folder" });
      return result;
    });
  }

  async #locked<T>(work: (state: FileState, nowMs: number) => T | Promise<T>): Promise<T> {
    return await this.#turns.run(async () => {
      let lock: FolderLock | undefined;
      try {
        lock = await lockFolder(this.#dir);
        return await work(this.#load(), this.#nowMs());
      } catch (cause) {
        throw unusable(this.#dir, cause);
      } finally {
        lock?.release();
      }
    });
  }

  #load(): FileState {
    try {
      return parseState(readFileSync(join(this.#dir, FILE), "utf8"));
    } catch (error) {
      if (errorCode(error) === "ENOENT") return parseState(undefined);
      throw error;
    }
  }
}

const timeOf = ({ setBack }: FileState, nowMs: number) => ({ nowMs, setBack });

function noteOfHost(state: FileState, name: string, note: Partial<Host>): void {
  state.hosts = state.hosts.map((one) => (one.name === name ? { ...one, ...note } : one));
}

function entryOf({ records }: FileState, name: string): StoreEntry | undefined {
  return records.get(name)?.entry;
}

function noParent(dir: string): AuthdError {
  const text = `The store ${dir} can't be used: there is no folder ${dirname(dir)}. Make it, mount its volume, or correct the address`;
  return new AuthdError("invalid_params", text);
}

function unusable(
  dir: string,
  cause: unknown,
  reason: "internal" | "invalid_params" = "internal",
): AuthdError {
  if (cause instanceof AuthdError) return cause;
  const message = `The store ${dir} can't be used: ${explainFileError(cause)}`;
  if (reason === "internal" && REFUSED.has(errorCode(cause) ?? "")) {
    return new StoreRefusal(message, cause);
  }
  return new AuthdError(reason, message, { cause });
}
