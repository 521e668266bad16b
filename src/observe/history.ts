import { omitUndefined } from "../base/omit-undefined.ts";
import type { DaemonEvent, EventPayload, EventsResult } from "../protocol.ts";

/** Number of events that are kept; the oldest go first. */
export const MAX_EVENTS = 1_000;
/** Limit of a message, in characters: issuers may send long ones. */
const MAX_MESSAGE_LENGTH = 500;

/** Selects events: of one credential, since a wall time (ms), the newest `limit`. */
export interface Query {
  credential?: string | undefined;
  since?: number | undefined;
  limit?: number | undefined;
}

/** Keeps the latest events in memory, from the daemon's start on. */
export class History {
  readonly #wall: () => number;
  /** Ring buffer: the event with number n is at n % MAX_EVENTS. */
  readonly #ring: DaemonEvent[] = [];
  #count = 0;

  constructor(wall: () => number) {
    this.#wall = wall;
  }

  /** Numbers and keeps an event. Returns undefined for one that is not worth telling a person. */
  record(happened: EventPayload): DaemonEvent | undefined {
    if (!isNews(happened)) return undefined;
    const { message, ...rest } = happened;
    const event: DaemonEvent = {
      seq: this.#count,
      at: this.#wall(),
      ...rest,
      ...omitUndefined({ message: message && shortened(message) }),
    };
    this.#ring[this.#count++ % MAX_EVENTS] = event;
    return event;
  }

  /** Returns the selected events, the oldest first. */
  query({ credential, since, limit }: Query = {}): Omit<EventsResult, "startedAt"> {
    const first = this.#count % MAX_EVENTS;
    const all =
      this.#count <= MAX_EVENTS
        ? this.#ring
        : [...this.#ring.slice(first), ...this.#ring.slice(0, first)];
    const wanted = all.filter(
      (event) =>
        (credential === undefined || event.credential === credential) &&
        (since === undefined || event.at >= since),
    );
    const events = wanted.slice(Math.max(0, wanted.length - (limit ?? MAX_EVENTS)));
    return { events, dropped: this.#count - all.length };
  }
}

/** False for state changes that would flood the history: a start with 10,000 credentials, a lock, a refresh that begins. */
function isNews({ kind, state, before }: EventPayload): boolean {
  if (kind !== "state") return true;
  if (state === before || state === "refreshing" || state === "locked") return false;
  const fromNowhere = before === undefined || before === "locked";
  return !(fromNowhere && (state === "idle" || state === "ready"));
}

function shortened(message: string): string {
  return message.length <= MAX_MESSAGE_LENGTH
    ? message
    : `${message.slice(0, MAX_MESSAGE_LENGTH - 1)}…`;
}
