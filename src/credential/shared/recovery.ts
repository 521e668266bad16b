import { randomBytes } from "node:crypto";
import { isKey, type Timed } from "../../vault/store/index.ts";
import type { Commits } from "./commits.ts";
import { giveBack, type InTurn } from "./give-back.ts";
import type { SharedContext } from "./shared-context.ts";

/** No host is waited for longer than this (ms), nor one that ran last so long before the others. */
const PATIENCE_MS = 300_000;

/**
 * A store that was put back to an earlier moment, as a standby took the place of its server before it had the last
 * commits, or a copy was restored: a host that has not seen those would spend a refresh token that is spent. So nobody
 * takes a lease until every host that runs has put back what it has, and has told so. The store itself says that
 * this is under way, so that it holds also for hosts that come meanwhile.
 */
export class Recovery {
  readonly #context: SharedContext;
  readonly #commits: Commits;
  /** As the store calls it; undefined: there is none, or this host has to begin it. */
  #id: string | undefined;
  /** Boot time (ms) from which this host waits for others. */
  #sinceBootMs = 0;
  #timeline: string | undefined;
  /** Number of the last commit that is known of; undefined before the first answer. */
  #change: number | undefined;
  /** The store has all that this host has. */
  #isGivenBack = false;

  constructor(context: SharedContext, commits: Commits) {
    this.#context = context;
    this.#commits = commits;
    context.connection.onAnswer = (answer) => this.#onAnswer(answer);
  }

  get isOpen(): boolean {
    return this.#context.isSetBack;
  }

  /** The store is at an earlier moment than it was, which it may not know. */
  begin(id?: string): void {
    const { isSetBack, options } = this.#context;
    this.#id = id;
    this.#sinceBootMs = options.time.now().boot;
    this.#isGivenBack = false;
    this.#context.isSetBack = true;
    if (isSetBack) return;
    const text = "the store was put back to an earlier moment, or its standby took its place";
    options.log.warn(
      {},
      `${text}: nothing is refreshed until all hosts have told it what they have`,
    );
  }

  #onAnswer({ timeline, setBack }: Timed<object>): void {
    this.#timeline = timeline;
    if (setBack !== undefined) {
      if (!this.isOpen || setBack !== this.#id) this.begin(setBack);
      return;
    }
    const known = this.#context.options.timeline.known()?.timeline;
    const isOther = known !== undefined && timeline !== undefined && known !== timeline;
    if (isOther && !this.isOpen) this.begin();
  }

  /** Compares the number of the last commit with that of before, also of before this host's start. */
  sawChange(change: number): void {
    const { timeline } = this.#context.options;
    const before = this.#change ?? timeline.known()?.change ?? change;
    this.#change = change;
    if (change < before && !this.isOpen) this.begin();
    // Whoever ends in the midst of it begins it again.
    if (!this.isOpen) this.#note(change);
  }

  #note(change: number): void {
    const { timeline } = this.#context.options;
    const known = timeline.known();
    if (known?.change === change && known.timeline === this.#timeline) return;
    timeline.note({ timeline: this.#timeline, change });
  }

  /** Puts back what this host has, and looks whether all hosts have done so. Rejects with StoreDown. */
  async go(inTurn: InTurn): Promise<void> {
    const { connection } = this.#context;
    // Whoever has not seen what the store lacks does not know.
    if (this.#id === undefined) await this.#mark();
    const id = this.#id;
    if (!this.#isGivenBack) {
      const isAll = await giveBack(this.#context, this.#commits, inTurn);
      this.#isGivenBack = isAll && this.#id === id;
    }
    if (!this.#isGivenBack || id === undefined) return;
    await connection.use(({ store }) => store.tell(this.#context.host, id));
    const { hosts, setBack } = await connection.ask((store) => store.hosts());
    // Put back once more, meanwhile.
    if (this.#id !== id) return;
    // Others have ended it already, if it is undefined.
    const missing = setBack === undefined ? [] : missingOf(hosts, id);
    const waitedMs = this.#context.options.time.now().boot - this.#sinceBootMs;
    if (missing.length > 0 && waitedMs < PATIENCE_MS) return;
    if (setBack !== undefined) await connection.use(({ store }) => store.settle(id));
    if (this.#id === id) await this.#end(missing);
  }

  async #mark(): Promise<void> {
    const { connection, host } = this.#context;
    const mark = `${host}-${randomBytes(8).toString("hex")}`;
    await connection.use(({ store }) => store.markSetBack(mark));
    // The answer names it.
    await connection.ask((store) => store.hosts());
  }

  async #end(missing: readonly string[]): Promise<void> {
    this.#id = undefined;
    this.#context.isSetBack = false;
    if (this.#change !== undefined) this.#note(this.#change);
    const waited = missing.length > 0 ? `; nobody waits any more for ${missing.join(", ")}` : "";
    this.#context.options.log.warn({}, `the store has what the hosts have${waited}`);
  }
}

interface Told {
  name: string;
  seenMs: number;
  told?: string | undefined;
}

/** Returns the hosts that ran when the last one of all was seen, and have not told yet. Keys tell nothing. */
function missingOf(hosts: readonly Told[], id: string): string[] {
  const lastMs = Math.max(...hosts.filter((one) => !isKey(one)).map(({ seenMs }) => seenMs));
  return hosts
    .filter((one) => !isKey(one) && one.told !== id && one.seenMs > lastMs - PATIENCE_MS)
    .map(({ name }) => name);
}
