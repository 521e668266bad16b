import { mkdirSync, readdirSync, readFileSync, watch } from "node:fs";
import { join } from "node:path";
import { replaceFile } from "../../base/atomic-write.ts";
import { explainFileError } from "../../base/file-error.ts";
import { Turns } from "../../base/turns.ts";
import { AuthdError, errorCode } from "../../errors.ts";
import { isFree, leaseUntil, newEntry } from "./entry.ts";
import { type FolderLock, lockFolder } from "./folder-lock.ts";
import type {
  Acquire,
  Changes,
  Commit,
  Intend,
  Outcome,
  Store,
  StoreEntry,
  Timed,
} from "./store.ts";

const SUFFIX = ".json";

/** A record's file: JSON, the payload in base64. `change`: the number of its last commit. */
interface Stored extends Omit<StoreEntry, "payload"> {
  payload?: string;
  change: number;
}

/** Makes the entry that takes a record's place; undefined leaves it as it is. */
type Change = (entry: StoreEntry | undefined, nowMs: number) => StoreEntry | undefined;

/**
 * A store in a folder that daemons of one machine share, such as those of its containers: one file a record,
 * and one lock that is held for the time of a change. Its clock is the machine's.
 */
export class FileStore implements Store {
  readonly #dir: string;
  readonly #turns = new Turns();

  /** Makes the folder if it is missing. Throws AuthdError `internal`. */
  constructor(dir: string) {
    this.#dir = dir;
    try {
      mkdirSync(dir, { recursive: true, mode: 0o700 });
    } catch (cause) {
      throw unusable(dir, cause);
    }
  }

  async read(name: string): Promise<Timed<{ entry: StoreEntry | undefined }>> {
    return this.#attempt(() => ({ entry: entryOf(this.#load(name)), nowMs: Date.now() }));
  }

  async changesSince(change: number): Promise<Timed<Changes>> {
    return await this.#locked(async () => {
      const newest = this.#lastChange();
      const since = change > newest ? -1 : change;
      const stored = this.#names().flatMap((name) => this.#load(name) ?? []);
      const entries = stored.filter((one) => one.version > 0 && one.change > since);
      return { change: newest, entries: entries.map((one) => entryOf(one)!), nowMs: Date.now() };
    });
  }

  async acquire(name: string, { holder, epoch, ttlMs }: Acquire): Promise<Timed<Outcome>> {
    return await this.#change(name, (known, nowMs) => {
      const entry = known ?? newEntry(name);
      if (entry.epoch !== epoch || !isFree(entry, holder, nowMs)) return undefined;
      return { ...entry, epoch: epoch + 1, lease: { holder, untilMs: nowMs + ttlMs } };
    });
  }

  async renew(name: string, epoch: number, ttlMs: number): Promise<Timed<Outcome>> {
    return await this.#changeOf(
      name,
      epoch,
      (entry, nowMs) =>
        entry.lease && { ...entry, lease: { ...entry.lease, untilMs: nowMs + ttlMs } },
    );
  }

  async intend(name: string, { epoch, hash, ttlMs }: Intend): Promise<Timed<Outcome>> {
    return await this.#changeOf(name, epoch, (entry, nowMs) => {
      const { lease } = entry;
      if (!lease || lease.untilMs <= nowMs) return undefined;
      const deadlineMs = nowMs + ttlMs;
      const intent = { holder: lease.holder, epoch, hash, openedMs: nowMs, deadlineMs };
      return { ...entry, intent, lease: leaseUntil(lease, deadlineMs) };
    });
  }

  async commit(name: string, { epoch, version, payload, holder }: Commit): Promise<Timed<Outcome>> {
    return await this.#changeOf(name, epoch, (entry) => {
      if (entry.version !== version) return undefined;
      const ended = { lease: undefined, intent: undefined, committedBy: holder };
      return { ...entry, ...ended, version: version + 1, payload };
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
      if (file?.endsWith(SUFFIX)) onChange(file.slice(0, -SUFFIX.length));
    });
    // Whoever asks for changes now and then finds them without it.
    watcher.on("error", () => watcher.close());
    return () => watcher.close();
  }

  async close(): Promise<void> {
    await this.#turns.run(async () => {});
  }

  #changeOf(
    name: string,
    epoch: number,
    change: (entry: StoreEntry, nowMs: number) => StoreEntry | undefined,
  ): Promise<Timed<Outcome>> {
    return this.#change(name, (entry, nowMs) =>
      entry?.epoch === epoch ? change(entry, nowMs) : undefined,
    );
  }

  async #change(name: string, change: Change): Promise<Timed<Outcome>> {
    return await this.#locked(async () => {
      const stored = this.#load(name);
      const before = entryOf(stored);
      const nowMs = Date.now();
      const after = change(before, nowMs);
      if (!after) return { done: false, entry: before, nowMs };
      const isCommit = after.version !== (before?.version ?? 0);
      const number = isCommit ? this.#lastChange() + 1 : (stored?.change ?? 0);
      // The number comes first: cut off in between, one is left out, and none is told twice.
      if (isCommit) await this.#write("change", String(number));
      const { payload, ...rest } = after;
      const file = {
        ...rest,
        change: number,
        ...(payload && { payload: payload.toString("base64") }),
      };
      await this.#write(name + SUFFIX, JSON.stringify(file));
      return { done: true, entry: after, nowMs };
    });
  }

  async #write(file: string, content: string): Promise<void> {
    await replaceFile(join(this.#dir, file), content, { sync: "folder" });
  }

  #lastChange(): number {
    return Number(readIfThere(join(this.#dir, "change")) ?? 0);
  }

  #names(): string[] {
    const files = readdirSync(this.#dir).filter((file) => file.endsWith(SUFFIX));
    return files.map((file) => file.slice(0, -SUFFIX.length));
  }

  #load(name: string): Stored | undefined {
    const text = readIfThere(join(this.#dir, name + SUFFIX));
    return text === undefined ? undefined : (JSON.parse(text) as Stored);
  }

  async #locked<T>(work: () => Promise<T>): Promise<T> {
    return await this.#turns.run(async () => {
      let lock: FolderLock | undefined;
      try {
        lock = await lockFolder(this.#dir);
        return await work();
      } catch (cause) {
        throw unusable(this.#dir, cause);
      } finally {
        lock?.release();
      }
    });
  }

  #attempt<T>(work: () => T): T {
    try {
      return work();
    } catch (cause) {
      throw unusable(this.#dir, cause);
    }
  }
}

function entryOf(stored: Stored | undefined): StoreEntry | undefined {
  if (!stored) return undefined;
  const { name, epoch, version, payload, lease, intent, committedBy } = stored;
  const bytes = payload === undefined ? undefined : Buffer.from(payload, "base64");
  return { name, epoch, version, payload: bytes, lease, intent, committedBy };
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

function unusable(dir: string, cause: unknown): AuthdError {
  if (cause instanceof AuthdError) return cause;
  const message = `The store ${dir} can't be used: ${explainFileError(cause)}`;
  return new AuthdError("internal", message, { cause });
}
