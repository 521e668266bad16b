/** The connections that one simulated daemon keeps alive to each host. */

import { MINUTE } from "./faults.ts";
import type { Host } from "./issuer.ts";

/** True times, ms. */
export interface Connection {
  openedAt: number;
  usedAt: number;
}

/** As long as authd keeps an idle connection, if the server says so. */
const KEPT_ALIVE = MINUTE;

export class Connections {
  readonly #idle = new Map<Host, Connection[]>();

  /** The connection that was used last, or a new one. */
  take(host: Host, now: number, fresh: boolean): { connection: Connection; reused: boolean } {
    const idle = (this.#idle.get(host) ?? []).filter(({ usedAt }) => now - usedAt < KEPT_ALIVE);
    const known = fresh ? undefined : idle.pop();
    this.#idle.set(host, idle);
    const connection = known ?? { openedAt: now, usedAt: now };
    return { connection, reused: known !== undefined };
  }

  /** After a whole response. */
  keep(host: Host, connection: Connection, now: number): void {
    connection.usedAt = now;
    this.#idle.get(host)?.push(connection);
  }
}
