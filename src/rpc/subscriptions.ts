import type { DaemonEvent, EventPayload, Reason } from "../protocol.ts";
import type { Call, ConnectionHandle } from "./call.ts";

/** Subject of a subscription: the two notifications about tokens and states, or every event. */
export type Interest = "changes" | "events";

interface Subscriber {
  call: Call;
  /** Names of credentials by subject; undefined: every credential. */
  names: Record<Interest, Set<string | undefined>>;
}

/** Subscriptions of all connections. */
export class Subscriptions {
  readonly #subscribers = new Map<ConnectionHandle, Subscriber>();

  add(call: Call, credential: string | undefined, interest: Interest = "changes"): void {
    const { connection } = call;
    let subscriber = this.#subscribers.get(connection);
    if (!subscriber) {
      subscriber = { call, names: { changes: new Set(), events: new Set() } };
      this.#subscribers.set(connection, subscriber);
      connection.onClose(() => this.#subscribers.delete(connection));
    }
    subscriber.names[interest].add(credential);
  }

  /** Ends all of the connection's subscriptions if no name is given. */
  remove({ connection }: Call, credential: string | undefined): void {
    const known = this.#subscribers.get(connection);
    if (!known) return;
    // It stays known with no names: otherwise each new subscription would listen for its end anew.
    for (const names of Object.values(known.names)) {
      if (credential === undefined) names.clear();
      else names.delete(credential);
    }
  }

  /** Tells of a new token and of another state. */
  publish(happened: EventPayload): void {
    const { kind, credential } = happened;
    if (credential === undefined || (kind !== "refreshed" && kind !== "state")) return;
    for (const call of this.#interested("changes", credential)) {
      // One that is gone needs to hear nothing.
      tellChange(call, credential, happened).catch(() => {});
    }
  }

  /** Tells of any event. */
  tell(event: DaemonEvent): void {
    for (const call of this.#interested("events", event.credential)) {
      call.notify("event", event).catch(() => {});
    }
  }

  *#interested(interest: Interest, credential: string | undefined): Generator<Call> {
    for (const { call, names } of this.#subscribers.values()) {
      const wanted = names[interest];
      if (wanted.has(undefined) || (credential !== undefined && wanted.has(credential))) yield call;
    }
  }
}

async function tellChange(
  call: Call,
  credential: string,
  { expiresAt = null, state, reason }: EventPayload,
): Promise<void> {
  if (state === undefined) {
    await call.notify("token/refreshed", { credential, expiresAt });
    return;
  }
  await call.notify("credential/stateChanged", {
    credential,
    state,
    ...(reason === undefined ? {} : { reason: reason as Reason }),
  });
}
