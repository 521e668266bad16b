import { closeHandle, windowsApi, windowsError } from "./api.ts";

const TOKEN_QUERY = 8;
const TOKEN_USER = 1;
const ERROR_ACCESS_DENIED = 5;
/** GetCurrentProcess(): a handle that stands for the process that uses it. */
const THIS_PROCESS = -1;
/** A pointer and a number of 32 bits, before the identifier itself: TOKEN_USER on 64 bits. */
const HEAD_BYTES = 16;

let own: string | undefined;

/** Returns the identifier (SID) of the user that this process runs as, such as `S-1-5-21-…-1001`. */
export function ownUserSid(): string {
  own ??= userSidOf(THIS_PROCESS);
  if (own === undefined) throw new Error("Windows does not tell the user of this process");
  return own;
}

const SYSTEM = "S-1-5-18";

/**
 * True for a process of our own user, or of the system, by its handle; also if Windows refuses to tell its user: only
 * processes of our own user, run as administrator, can be opened without telling it. Throws the system's other errors.
 */
export function isOwnUserOrSystem(process: number): boolean {
  const own = ownUserSid();
  const user = userSidOf(process);
  return user === undefined || user === own || user === SYSTEM;
}

/**
 * Returns the identifier of the user that a process runs as, by its handle; undefined if we may not open its token. Throws
 * the system's other errors.
 */
function userSidOf(process: number): string | undefined {
  const handle = new BigInt64Array(1);
  const open = windowsApi("advapi32", "int OpenProcessToken(intptr_t, uint32_t, void *)");
  if (!open(process, TOKEN_QUERY, handle)) {
    const error = windowsError("OpenProcessToken");
    if (error.number === ERROR_ACCESS_DENIED) return undefined;
    throw error;
  }
  const token = Number(handle[0]);
  try {
    const user = Buffer.alloc(256);
    const length = new Uint32Array(1);
    const ask = windowsApi(
      "advapi32",
      "int GetTokenInformation(intptr_t, int, void *, uint32_t, void *)",
    );
    if (!ask(token, TOKEN_USER, user, user.length, length))
      throw windowsError("GetTokenInformation");
    return sidText(user.subarray(HEAD_BYTES));
  } finally {
    closeHandle(token);
  }
}

/** Writes a SID as Windows does: its revision, its authority (48 bits, big-endian), and 32 bits for each part. */
function sidText(sid: Buffer): string {
  const parts = Array.from({ length: sid[1]! }, (_, at) => sid.readUInt32LE(8 + 4 * at));
  return ["S", sid[0], sid.readUIntBE(2, 6), ...parts].join("-");
}
