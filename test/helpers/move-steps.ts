/** For processes of their own: the instants of `authd vault move`, watched through Node's own functions. */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { Socket } from "node:net";

export type MovePoint =
  | "before the transaction"
  | "with the transaction sent, before its commit"
  | "after the transaction"
  | "before the configuration is written"
  | "with the configuration written";

/** Calls `reach` at each instant. The store is a PostgreSQL without TLS. */
export function watchMoves(reach: (point: MovePoint) => void): void {
  watchConfiguration(reach);
  watchStore(reach);
}

function watchConfiguration(reach: (point: MovePoint) => void): void {
  const { renameSync } = fs;
  fs.renameSync = (from, to) => {
    const isIt = String(to).endsWith("/config.toml");
    if (isIt) reach("before the configuration is written");
    renameSync(from, to);
    if (isIt) reach("with the configuration written");
  };
  syncBuiltinESMExports();
}

function watchStore(reach: (point: MovePoint) => void): void {
  const { write, push } = Socket.prototype as {
    write: (this: Socket, chunk: Uint8Array | string, ...rest: unknown[]) => boolean;
    push: (this: Socket, chunk: Uint8Array | null, ...rest: unknown[]) => boolean;
  };
  /** The connection whose transaction replaces everything. */
  let replacing: Socket | undefined;
  Socket.prototype.write = function (this: Socket, chunk: Uint8Array | string, ...rest: unknown[]) {
    const text = Buffer.from(chunk as Uint8Array).toString("latin1");
    if (text.includes("UPDATE authd.clock SET key_id = $2, change")) {
      reach("before the transaction");
      replacing = this;
    }
    if (replacing === this && text.includes("COMMIT\0")) {
      reach("with the transaction sent, before its commit");
    }
    return write.call(this, chunk, ...rest);
  } as Socket["write"];
  Socket.prototype.push = function (this: Socket, chunk: Uint8Array | null, ...rest: unknown[]) {
    if (chunk && replacing === this && Buffer.from(chunk).includes("COMMIT\0")) {
      reach("after the transaction");
    }
    return push.call(this, chunk, ...rest);
  } as Socket["push"];
}
