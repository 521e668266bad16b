/**
 * Runs in the place of main.js: once its parent names a crash point, it ends itself with SIGKILL
 * there in the next renewal. The daemon itself knows nothing of that: what it does is watched from
 * outside, through Node's own functions.
 */
import fs, { type FileHandle } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { CrashPoint } from "./crash-points.ts";

let armed: CrashPoint | undefined;
/** The issuer has answered in the renewal under way: what is written from now on is the rotated token. */
let answered = false;
/** Temporary files that are not in place yet. */
let writing = 0;

process.on("message", async (point: CrashPoint) => {
  // The access token of the renewal before may still be on its way to the disk.
  while (writing > 0) await sleep(1);
  armed = point;
  answered = false;
  process.send!("armed");
});
process.channel?.unref();
// Its parent is gone, whatever ended that: nothing is to be left behind.
process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));

function reach(point: CrashPoint): void {
  if (point === armed) process.kill(process.pid, "SIGKILL");
}

const written = () => (answered ? "the rotated token" : "the intent");

type Kind = "temporary file" | "folder";
const kinds = new WeakMap<FileHandle, Kind>();

/** Other files are written in the same way, at the same time. */
const isOfRecord = (path: unknown) => /\.sealed\.[0-9a-f]+\.tmp$/.test(String(path));

const { open, rename } = fs;
fs.open = async (path, flags, mode) => {
  const isTemporary = isOfRecord(path);
  if (isTemporary) writing++;
  if (isTemporary && !answered) reach("before the intent");
  const file = await open(path, flags, mode);
  if (isTemporary || flags === "r") kinds.set(file, isTemporary ? "temporary file" : "folder");
  return file;
};
fs.rename = async (from, to) => {
  await rename(from, to);
  if (!isOfRecord(from)) return;
  writing--;
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

const { write, push } = Socket.prototype as {
  write: (this: Socket, chunk: Uint8Array | string, ...rest: unknown[]) => boolean;
  push: (this: Socket, chunk: Uint8Array | null, ...rest: unknown[]) => boolean;
};

/** Writes, and ends the process when the kernel has it all. */
function writeAndReach(socket: Socket, chunk: Uint8Array | string, point: CrashPoint): boolean {
  return write.call(socket, chunk, () => reach(point));
}

Socket.prototype.write = function (this: Socket, chunk: Uint8Array | string, ...rest: unknown[]) {
  const text = typeof chunk === "string" ? chunk : Buffer.from(chunk).toString("latin1");
  if (armed === "with the request half sent" && text.startsWith("POST ")) {
    this.uncork();
    return writeAndReach(this, text.slice(0, text.length / 2), armed);
  }
  if (text.includes("refresh_token=")) {
    // Its head has waited for it.
    return writeAndReach(this, chunk, "with the request sent");
  }
  if (text.includes('"accessToken"')) {
    reach("before the client is answered");
    return writeAndReach(this, chunk, "after the client was answered");
  }
  return write.call(this, chunk, ...rest);
} as Socket["write"];

Socket.prototype.push = function (this: Socket, chunk: Uint8Array | null, ...rest: unknown[]) {
  if (chunk && Buffer.from(chunk).includes("HTTP/1.1 200")) {
    answered = true;
    reach("with the answer there");
  }
  return push.call(this, chunk, ...rest);
} as Socket["push"];

process.argv.splice(2, process.argv.length, "serve");
await import("../../src/main.ts");
