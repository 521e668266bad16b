import { AuthdError } from "./errors.ts";
import type { ConnectionHandle } from "./server.ts";

/** All together, bytes: an export of 10,000 credentials takes some 20 MiB. */
const MOST = 64 * 1024 * 1024;

/** What clients send in parts, because a request is limited. Kept until its connection ends. */
export class Uploads {
  readonly #parts = new Map<ConnectionHandle, Buffer[]>();
  #bytes = 0;

  /** Returns how many bytes of this connection there are. Throws AuthdError. */
  add(connection: ConnectionHandle, part: Buffer): number {
    const known = this.#parts.get(connection);
    const own = sizeOf(known ?? []) + part.length;
    if (own > MOST) {
      throw new AuthdError("request_too_large", `An upload may have ${MOST} bytes; this has more.`);
    }
    if (this.#bytes + part.length > MOST) {
      throw new AuthdError("too_busy", "Another upload is under way; try again when it is done.");
    }
    if (!known) connection.onClose(() => this.drop(connection));
    this.#parts.set(connection, [...(known ?? []), part]);
    this.#bytes += part.length;
    return own;
  }

  /** Undefined if this connection has sent none. */
  whole(connection: ConnectionHandle): Buffer | undefined {
    const parts = this.#parts.get(connection);
    return parts && Buffer.concat(parts);
  }

  drop(connection: ConnectionHandle): void {
    this.#bytes -= sizeOf(this.#parts.get(connection) ?? []);
    this.#parts.delete(connection);
  }
}

function sizeOf(parts: readonly Buffer[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}
