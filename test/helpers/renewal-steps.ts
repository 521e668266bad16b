/** For processes of their own: the instants of a renewal, watched through Node's own functions. */
import fs, { type FileHandle } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { Socket } from "node:net";
import type { CrashPoint } from "./crash-points.ts";
import { until } from "./until.ts";

interface Renewals {
  /** Resolves when nothing of a record is on its way to the disk; the next renewal is watched from its beginning. */
  settled(): Promise<void>;
}

/** Calls `end` at the instant that `isIt`. */
export async function watchRenewals(
  isIt: (point: CrashPoint) => boolean,
  end: () => void,
): Promise<Renewals> {
  const reach = (point: CrashPoint) => {
    if (isIt(point)) end();
  };
  /** The issuer has answered in the renewal under way: what is written from now on is the rotated token. */
  let answered = false;
  const written = () => (answered ? "the rotated token" : "the intent");
  const files = await watchFiles(written, reach);
  watchSocket(isIt, reach, () => {
    answered = true;
  });
  return {
    async settled() {
      // The access token of the renewal before may still be on its way to the disk.
      await until(() => files.writing === 0);
      answered = false;
    },
  };
}

type Written = "the rotated token" | "the intent";

/** Watches files of records: others are written in the same way, at the same time. */
async function watchFiles(written: () => Written, reach: (point: CrashPoint) => void) {
  const isOfRecord = (path: unknown) => /\.sealed\.[0-9a-f]+\.tmp$/.test(String(path));
  const kinds = new WeakMap<FileHandle, "temporary file" | "folder">();
  const { open, rename } = fs;
  /** Temporary files that are not in place yet. */
  const files = { writing: 0 };
  fs.open = async (path, flags, mode) => {
    const isTemporary = isOfRecord(path);
    if (isTemporary) files.writing++;
    if (isTemporary && written() === "the intent") reach("before the intent");
    const file = await open(path, flags, mode);
    if (isTemporary || flags === "r") kinds.set(file, isTemporary ? "temporary file" : "folder");
    return file;
  };
  fs.rename = async (from, to) => {
    await rename(from, to);
    if (!isOfRecord(from)) return;
    files.writing--;
    reach(`with ${written()} renamed into place`);
  };
  syncBuiltinESMExports();

  const sample = await open(new URL(import.meta.url), "r");
  const handles = Object.getPrototypeOf(sample) as FileHandle;
  await sample.close();
  const { writeFile, sync } = handles;
  handles.writeFile = async function (this: FileHandle, ...args) {
    await writeFile.apply(this, args);
    if (kinds.get(this) === "temporary file") reach(`with ${written()}'s temporary file written`);
  };
  handles.sync = async function (this: FileHandle) {
    await sync.call(this);
    const kind = kinds.get(this);
    if (kind) reach(`with ${written()}'s ${kind} synced`);
  };
  return files;
}

/** Watches what goes to the issuer and to clients, and calls `onAnswer` when the issuer's answer is there. */
function watchSocket(
  isIt: (point: CrashPoint) => boolean,
  reach: (point: CrashPoint) => void,
  onAnswer: () => void,
): void {
  const { write, push } = Socket.prototype as {
    write: (this: Socket, chunk: Uint8Array | string, ...rest: unknown[]) => boolean;
    push: (this: Socket, chunk: Uint8Array | null, ...rest: unknown[]) => boolean;
  };
  /** Writes, and reaches the point when the kernel has it all. */
  const writeAndReach = (socket: Socket, chunk: Uint8Array | string, point: CrashPoint) =>
    write.call(socket, chunk, () => reach(point));

  Socket.prototype.write = function (this: Socket, chunk: Uint8Array | string, ...rest: unknown[]) {
    const text = typeof chunk === "string" ? chunk : Buffer.from(chunk).toString("latin1");
    if (isIt("with the request half sent") && text.startsWith("POST ")) {
      this.uncork();
      return writeAndReach(this, text.slice(0, text.length / 2), "with the request half sent");
    }
    // Its head has waited for it.
    if (text.includes("refresh_token=")) return writeAndReach(this, chunk, "with the request sent");
    if (text.includes('"accessToken"')) {
      reach("before the client is answered");
      return writeAndReach(this, chunk, "after the client was answered");
    }
    return write.call(this, chunk, ...rest);
  } as Socket["write"];

  Socket.prototype.push = function (this: Socket, chunk: Uint8Array | null, ...rest: unknown[]) {
    if (chunk && Buffer.from(chunk).includes("HTTP/1.1 200")) {
      onAnswer();
      reach("with the answer there");
    }
    return push.call(this, chunk, ...rest);
  } as Socket["push"];
}
