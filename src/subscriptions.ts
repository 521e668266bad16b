import type { CredentialEvent } from "./credential/surroundings.ts";
import type { Call, ConnectionHandle } from "./server.ts";

interface Subscriber {
  call: Call;
  /** Undefined: every credential. */
  names: Set<string | undefined>;
}

/** Who wants to hear of which credential. */
export class Subscriptions {
  readonly #subscribers = new Map<ConnectionHandle, Subscriber>();

  add(call: Call, credential: string | undefined): void {
    const { connection } = call;
    const known = this.#subscribers.get(connection);
    if (known) {
      known.names.add(credential);
      return;
    }
    this.#subscribers.set(connection, { call, names: new Set([credential]) });
    connection.onClose(() => this.#subscribers.delete(connection));
  }

  /** Without a name all of the connection's subscriptions end. */
  remove({ connection }: Call, credential: string | undefined): void {
    const known = this.#subscribers.get(connection);
    if (!known) return;
    // It stays known with no names: otherwise each new subscription would listen for its end anew.
    if (credential === undefined) known.names.clear();
    else known.names.delete(credential);
  }

  publish(event: CredentialEvent): void {
    for (const { call, names } of this.#subscribers.values()) {
      if (!names.has(undefined) && !names.has(event.credential)) continue;
      // One that is gone needs to hear nothing.
      tell(call, event).catch(() => {});
    }
  }
}

async function tell(call: Call, event: CredentialEvent): Promise<void> {
  const { credential } = event;
  if (event.kind === "refreshed") {
    await call.notify("token/refreshed", { credential, expiresAt: event.expiresAt });
  } else {
    const { state, reason } = event;
    await call.notify("credential/stateChanged", {
      credential,
      state,
      ...(reason === undefined ? {} : { reason }),
    });
  }
}
