import type { StoreEntry, Timed } from "../../vault/store/index.ts";
import { adoptOtherPast } from "./adopt.ts";
import type { Commits } from "./commits.ts";
import type { SharedContext } from "./shared-context.ts";

/** No host is waited for longer than this (ms), nor one that has not told for so long that it runs. */
const PATIENCE_MS = 300_000;
/** Hosts notice it at different moments: for so long (ms) each goes on to tell them often that it runs. */
const RECENT_MS = 60_000;

/**
 * A store that was put back to an earlier moment, as a standby took the place of its server before it had the last
 * commits: a host that has not seen those would spend a refresh token that is spent. So nobody takes a lease until
 * every host that runs has put back what it has, and has told so.
 */
export class Recovery {
  readonly #context: SharedContext;
  readonly #commits: Commits;
  /** When this host has noticed it, on the store's clock (ms); undefined: it is over, or there was none. */
  #sinceMs: number | undefined;
  /** The store's timeline from then on. */
  #timeline: string | undefined;
  /** The store has all that this host has. */
  #isGivenBack = false;
  #endedAtBootMs = Number.NEGATIVE_INFINITY;

  constructor(context: SharedContext, commits: Commits) {
    this.#context = context;
    this.#commits = commits;
    context.connection.onAnswer = (answer) => this.#onAnswer(answer);
  }

  get isOpen(): boolean {
    return this.#sinceMs !== undefined;
  }

  /** True for a while after it. */
  isRecent(nowBootMs: number): boolean {
    return nowBootMs < this.#endedAtBootMs + RECENT_MS;
  }

  /** The store is at an earlier moment than it was. */
  begin({ nowMs, timeline }: Timed<object>): void {
    this.#sinceMs = nowMs;
    this.#timeline = timeline;
    this.#isGivenBack = false;
    this.#context.isSetBack = true;
    const text = "the store was put back to an earlier moment, or its standby took its place";
    this.#context.options.log.warn(
      {},
      `${text}: nothing is refreshed until all hosts have told it what they have`,
    );
  }

  #onAnswer(answer: Timed<object>): void {
    const { timeline } = answer;
    if (timeline === undefined) return;
    const known = this.isOpen ? this.#timeline : this.#context.options.timeline.known();
    if (known === undefined) this.#context.options.timeline.note(timeline);
    else if (timeline !== known) this.begin(answer);
  }

  /**
   * Puts back each record that the store has in an earlier version than this host; `inTurn` resolves with false for
   * one that is being refreshed. Rejects with StoreDown.
   */
  async giveBack(
    inTurn: (name: string, work: () => Promise<void>) => Promise<boolean>,
  ): Promise<void> {
    if (this.#isGivenBack) return;
    const { connection, owner } = this.#context;
    const sinceMs = this.#sinceMs;
    let isAll = true;
    const { entries } = await connection.ask((store) => store.changesSince(-1));
    const inStore = new Map(entries.map((entry) => [entry.name, entry]));
    for (const name of owner?.names() ?? []) {
      const isDone = await inTurn(name, () => this.#giveBackOne(name, inStore.get(name)));
      isAll &&= isDone;
    }
    this.#isGivenBack = isAll && this.#sinceMs === sinceMs;
  }

  async #giveBackOne(name: string, entry: StoreEntry | undefined): Promise<void> {
    if (entry && (await adoptOtherPast(this.#context, entry))) return;
    const { shared } = this.#context.liveRecord(name) ?? {};
    if (!shared) return;
    // What was obtained and not committed comes after what was.
    const version = shared.version + (this.#context.pending.has(name) ? 1 : 0);
    if (version > (entry?.version ?? 0)) await this.#commits.restore(name, version);
  }

  /** Tells that the store has all that this host has. It ends when all have told. Rejects with StoreDown. */
  async tell(): Promise<void> {
    const { connection, host, options } = this.#context;
    const sinceMs = this.#sinceMs;
    if (sinceMs === undefined || !this.#isGivenBack) return;
    await connection.use(({ store }) => store.seen(host));
    const { hosts, nowMs } = await connection.ask((store) => store.hosts());
    const isMissing = ({ seenMs }: { seenMs: number }) =>
      seenMs < sinceMs && seenMs > sinceMs - PATIENCE_MS;
    const missing = hosts.filter(isMissing).map(({ name }) => name);
    // Put back once more, meanwhile.
    if (this.#sinceMs !== sinceMs) return;
    if (missing.length > 0 && nowMs - sinceMs < PATIENCE_MS) return;
    this.#sinceMs = undefined;
    this.#context.isSetBack = false;
    this.#endedAtBootMs = options.time.now().boot;
    if (this.#timeline !== undefined) options.timeline.note(this.#timeline);
    const waited = missing.length > 0 ? `; nobody waits any more for ${missing.join(", ")}` : "";
    options.log.warn({}, `the store has what the hosts have${waited}`);
  }
}
