import { AuthdError } from "../errors.ts";
import type { ConnectionHandle } from "../rpc/call.ts";

/** Limit for all uploads together: an export of 10,000 credentials takes some 20 MiB. */
export const MAX_UPLOAD_BYTES = 64 * 1024 * 1024;

interface Upload {
  parts: Buffer[];
  bytes: number;
}

/** Collects what clients send in parts, since a request is limited. Dropped when the connection ends. */
export class Uploads {
  readonly #uploads = new Map<ConnectionHandle, Upload>();
  #bytes = 0;

  /** Adds a part. Returns the bytes that this connection has sent. Throws AuthdError. */
  add(connection: ConnectionHandle, part: Buffer): number {
    const upload = this.#uploads.get(connection) ?? { parts: [], bytes: 0 };
    if (upload.bytes + part.length > MAX_UPLOAD_BYTES) {
      throw new AuthdError(
        "request_too_large",
        `An upload may have ${MAX_UPLOAD_BYTES} bytes; this has more.`,
      );
    }
    if (this.#bytes + part.length > MAX_UPLOAD_BYTES) {
      throw new AuthdError("too_busy", "Another upload is under way; try again when it is done.");
    }
    if (!this.#uploads.has(connection)) connection.onClose(() => this.drop(connection));
    this.#uploads.set(connection, upload);
    // An empty part would take memory, and count for nothing.
    if (part.length > 0) upload.parts.push(part);
    upload.bytes += part.length;
    this.#bytes += part.length;
    return upload.bytes;
  }

  /** Returns all parts of this connection; undefined if it has sent none. */
  concat(connection: ConnectionHandle): Buffer | undefined {
    const upload = this.#uploads.get(connection);
    return upload && Buffer.concat(upload.parts);
  }

  drop(connection: ConnectionHandle): void {
    this.#bytes -= this.#uploads.get(connection)?.bytes ?? 0;
    this.#uploads.delete(connection);
  }
}
