import type { DaemonEvent, EventPayload, EventsResult } from "../protocol.ts";

/** So many events are kept; older ones make room. */
export const KEPT = 1_000;
/** Characters of a message: issuers may say a lot. */
const LONGEST_MESSAGE = 500;

/** What is asked for: one credential's, from a time on (wall clock), the newest so many. */
export interface Query {
  credential?: string | undefined;
  since?: number | undefined;
  limit?: number | undefined;
}

/** What happened lately, in memory: nothing from before the daemon's start, and at most `KEPT`. */
export class History {
  readonly #wall: () => number;
  /** A ring: the event with number n is at n % KEPT. */
  readonly #ring: DaemonEvent[] = [];
  #count = 0;

  constructor(wall: () => number) {
    this.#wall = wall;
  }

  /** Numbers and keeps an event; undefined if it is no news to a person. */
  record(happened: EventPayload): DaemonEvent | undefined {
    if (!isNews(happened)) return undefined;
    const { message, ...rest } = happened;
    const event: DaemonEvent = {
      seq: this.#count,
      at: this.#wall(),
      ...rest,
      ...(message === undefined ? {} : { message: shortened(message) }),
    };
    this.#ring[this.#count++ % KEPT] = event;
    return event;
  }

  /** The oldest first. */
  query({ credential, since, limit }: Query = {}): Omit<EventsResult, "startedAt"> {
    const first = this.#count % KEPT;
    const all =
      this.#count <= KEPT
        ? this.#ring
        : [...this.#ring.slice(first), ...this.#ring.slice(0, first)];
    const wanted = all.filter(
      (event) =>
        (credential === undefined || event.credential === credential) &&
        (since === undefined || event.at >= since),
    );
    const events = wanted.slice(Math.max(0, wanted.length - (limit ?? KEPT)));
    return { events, dropped: this.#count - all.length };
  }
}

/** A start with 10,000 credentials, a locked vault, or a renewal that begins is no flood of news. */
function isNews({ kind, state, before }: EventPayload): boolean {
  if (kind !== "state") return true;
  if (state === before || state === "refreshing" || state === "locked") return false;
  const fromNowhere = before === undefined || before === "locked";
  return !(fromNowhere && (state === "idle" || state === "ready"));
}

function shortened(message: string): string {
  return message.length <= LONGEST_MESSAGE ? message : `${message.slice(0, LONGEST_MESSAGE - 1)}…`;
}
