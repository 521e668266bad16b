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
} from "../store.ts";
import { Listener } from "./listener.ts";
import { prepareSchema } from "./prepare-schema.ts";
import * as queries from "./queries.ts";
import { replaceAll } from "./replace-all.ts";
import { type ServerAddress, serverConfig } from "./server-address.ts";
import { storeError } from "./server-error.ts";

/** Connections for statements; one more listens for notices. */
const MAX_CONNECTIONS = 4;
const CONNECT_TIMEOUT_MS = 5_000;
/**
 * The client waits no longer for the answer to a statement. The server may carry it out all the same: a pooler takes no
 * limit from its clients. Whoever made a change that was not answered reads how the record is.
 */
const STATEMENT_TIMEOUT_MS = 5_000;
const IDLE_TIMEOUT_MS = 60_000;

/** SQLSTATE: the server lacks a function, does not have it for this role, or knows no timelines. */
const UNKNOWN_THERE = new Set(["42501", "42883", "0A000"]);

type Row = queries.Row;
interface HostRow {
  now_ms: number;
  timeline: string | null;
  set_back: string | null;
  key_id: string | null;
  name: string | null;
  public_key: Buffer;
  wrapped_key: Buffer;
  seen_ms: number;
  told: string | null;
}
interface InviteRow {
  id: string;
  wrapped_key: Buffer;
  open: boolean;
}
type Pool = import("pg").Pool;

/**
 * A store in PostgreSQL, by statements of which each is a transaction: it works through a pooler that hands
 * out connections by transaction, where notices get lost.
 */
export class PostgresStore implements Store {
  readonly #pool: Pool;
  readonly #listen: (onChange: (name: string | undefined) => void) => Listener;
  readonly #listeners = new Set<Listener>();
  /** False: the server is no plain PostgreSQL, and nothing is known of its standbys. */
  #tellsTimeline = true;

  private constructor(
    pool: Pool,
    listen: (onChange: (name: string | undefined) => void) => Listener,
  ) {
    this.#pool = pool;
    this.#listen = listen;
    // Without a listener the end of an idle connection would end the process.
    pool.on("error", () => {});
  }

  /**
   * Connects, and makes the tables in a database that has none. Rejects with AuthdError `too_busy` if the
   * server can't be reached, StoreRefusal if it refuses or its tables are not those of this authd, `invalid_params` if the address would
   * have the password sent without TLS.
   */
  static async open(address: ServerAddress): Promise<PostgresStore> {
    const server = serverConfig(address);
    const { default: pg } = await import("pg");
    const pool = new pg.Pool({
      ...server,
      application_name: "authd",
      max: MAX_CONNECTIONS,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: STATEMENT_TIMEOUT_MS,
      idleTimeoutMillis: IDLE_TIMEOUT_MS,
      allowExitOnIdle: true,
    });
    const client = () =>
      new pg.Client({ ...server, application_name: "authd notices", keepAlive: true });
    const store = new PostgresStore(pool, (onChange) => new Listener(client, onChange));
    try {
      await store.#attempt(async () => {
        await prepareSchema(pool);
        store.#tellsTimeline = await tellsTimeline(pool);
      });
    } catch (error) {
      await store.close();
      throw error;
    }
    return store;
  }

  async read(name: string): Promise<Timed<{ entry: StoreEntry | undefined }>> {
    const [row] = await this.#query(queries.READ, [name]);
    return { entry: entryOf(row), ...timeOf(row!) };
  }

  async changesSince(change: number): Promise<Timed<Changes>> {
    const rows = await this.#query<Row & { change: number }>(queries.CHANGED, [change]);
    const entries = rows.flatMap((row) => entryOf(row) ?? []);
    return { change: rows[0]!.change, entries, ...timeOf(rows[0]!) };
  }

  acquire(name: string, { holder, epoch, ttlMs }: Acquire): Promise<Timed<Outcome>> {
    return this.#change(queries.ACQUIRE, [name, epoch, holder, ttlMs]);
  }

  renew(name: string, epoch: number, ttlMs: number): Promise<Timed<Outcome>> {
    return this.#change(queries.RENEW, [name, epoch, ttlMs]);
  }

  intend(name: string, { epoch, hash, ttlMs }: Intend): Promise<Timed<Outcome>> {
    return this.#change(queries.INTEND, [name, epoch, hash, ttlMs]);
  }

  commit(
    name: string,
    { keyId, epoch, version, payload, holder, settles }: Commit,
  ): Promise<Timed<Outcome>> {
    const values = [name, epoch, version, payload ?? null, holder, keyId ?? null, settles];
    return this.#change(queries.COMMIT, values);
  }

  restore(name: string, restoration: Restoration): Promise<Timed<Outcome>> {
    const { keyId, version, epoch, payload, holder, intent, settles, hash } = restoration;
    const values = [name, epoch, version, payload, holder, keyId];
    const opened = [intent?.hash ?? null, intent?.ttlMs ?? null, intent?.holder ?? null];
    return this.#change(queries.RESTORE, [...values, ...opened, settles, hash ?? null]);
  }

  release(name: string, epoch: number, settled: boolean): Promise<Timed<Outcome>> {
    return this.#change(settled ? queries.SETTLE : queries.RELEASE, [name, epoch]);
  }

  watch(onChange: (name: string | undefined) => void): () => void {
    const listener = this.#listen(onChange);
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      void listener.close();
    };
  }

  async hosts(): Promise<Timed<{ hosts: readonly Host[]; keyId: string | undefined }>> {
    const rows = await this.#query<HostRow>(queries.HOSTS, []);
    const hosts = rows.flatMap(({ name, public_key, wrapped_key, seen_ms, told }) =>
      name === null
        ? []
        : {
            ...{ name, publicKey: public_key, wrappedKey: wrapped_key, seenMs: seen_ms },
            told: told ?? undefined,
          },
    );
    return { hosts, keyId: rows[0]!.key_id ?? undefined, ...timeOf(rows[0]!) };
  }

  async putHost(
    { name, publicKey, wrappedKey }: NewHost,
    { from, to }: KeyChange,
  ): Promise<boolean> {
    const ids = [from ?? null, to ?? null];
    const rows = await this.#query(queries.PUT_HOST, [name, publicKey, wrappedKey, ...ids]);
    return rows.length > 0;
  }

  async seen(name: string): Promise<void> {
    await this.#query(queries.SEEN, [name]);
  }

  async tell(name: string, recovery: string): Promise<void> {
    await this.#query(queries.TOLD, [name, recovery]);
  }

  async markSetBack(mark: string): Promise<void> {
    await this.#query(queries.MARK_SET_BACK, [mark]);
  }

  async settle(recovery: string): Promise<void> {
    await this.#query(queries.SETTLE_ALL, [recovery]);
  }

  async invite(id: string, wrappedKey: Buffer, ttlMs: number): Promise<void> {
    await this.#query(queries.INVITE, [id, wrappedKey, ttlMs]);
  }

  async takeInvite(id: string): Promise<Buffer | undefined> {
    const rows = await this.#query<InviteRow>(queries.TAKE_INVITE, [id]);
    return rows.find((row) => row.id === id && row.open)?.wrapped_key;
  }

  async replaceAll(replacement: Replacement): Promise<boolean> {
    return await this.#attempt(async () => {
      const client = await this.#pool.connect();
      try {
        await client.query("BEGIN");
        const done = await replaceAll(client, replacement);
        await client.query(done ? "COMMIT" : "ROLLBACK");
        client.release();
        return done;
      } catch (error) {
        // Its transaction ends with the connection.
        client.release(true);
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    await Promise.all([...this.#listeners].map((listener) => listener.close()));
    await this.#pool.end();
  }

  /** Makes a change to the record that the first value names; if it is not made, reads how the record is. */
  async #change(sql: string, values: readonly unknown[]): Promise<Timed<Outcome>> {
    const [row] = await this.#query(sql, values);
    if (row) return { done: true, entry: entryOf(row), ...timeOf(row) };
    return { done: false, ...(await this.read(values[0] as string)) };
  }

  async #query<R extends object = Row>(sql: string, values: readonly unknown[]): Promise<R[]> {
    return await this.#attempt(async () => {
      const text = this.#tellsTimeline ? sql : sql.replaceAll(queries.TIMELINE, "NULL::text");
      const { rows } = await this.#pool.query<R>(text, [...values]);
      return rows;
    });
  }

  async #attempt<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      throw storeError(cause);
    }
  }
}

/** Rejects for a standby, which is no store, and for a server that does not say. */
async function tellsTimeline(pool: Pool): Promise<boolean> {
  try {
    await pool.query(`SELECT ${queries.TIMELINE}`);
    return true;
  } catch (error) {
    const { code } = Object(error) as { code?: string };
    if (UNKNOWN_THERE.has(code ?? "")) return false;
    throw error;
  }
}

function timeOf(row: Pick<Row, "now_ms" | "timeline" | "set_back">) {
  const { now_ms: nowMs, timeline, set_back } = row;
  return { nowMs, timeline: timeline ?? undefined, setBack: set_back ?? undefined };
}

function entryOf(row: Row | undefined): StoreEntry | undefined {
  if (!row || row.name === null) return undefined;
  const { name, epoch, version } = row;
  return {
    ...{ name, epoch, version },
    payload: row.payload ?? undefined,
    committedBy: row.committed_by ?? undefined,
    committedMs: row.committed_ms ?? undefined,
    lease:
      row.lease_holder === null
        ? undefined
        : { holder: row.lease_holder, untilMs: row.lease_until_ms! },
    intent:
      row.intent_holder === null
        ? undefined
        : {
            holder: row.intent_holder,
            epoch: row.intent_epoch!,
            hash: row.intent_hash!,
            openedMs: row.intent_opened_ms!,
            deadlineMs: row.intent_deadline_ms!,
          },
  };
}
