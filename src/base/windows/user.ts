import { closeHandle, windowsApi, windowsError } from "./api.ts";

const TOKEN_QUERY = 8;
const TOKEN_USER = 1;
const TOKEN_OWNER = 4;
const ERROR_ACCESS_DENIED = 5;
/** GetCurrentProcess(): a handle that stands for the process that uses it. */
const THIS_PROCESS = -1;
/** What is before the identifier itself on 64 bits: a pointer, and in TOKEN_USER a number of 32 bits, too. */
const HEAD_BYTES = { [TOKEN_USER]: 16, [TOKEN_OWNER]: 8 };

let own: string | undefined;

/** Returns the identifier (SID) of the user that this process runs as, such as `S-1-5-21-…-1001`. */
export function ownUserSid(): string {
  own ??= userSidOf(THIS_PROCESS);
  if (own === undefined) throw new Error("Windows does not tell the user of this process");
  return own;
}

const SYSTEM = "S-1-5-18";
/** Owner of what a user makes in an administrator's window. */
const ADMINISTRATORS = "S-1-5-32-544";

/** True if what this user or group owns was made by us, the system or an administrator. */
export function isOurs(owner: string): boolean {
  if (owner === ownUserSid() || owner === SYSTEM || owner === ADMINISTRATORS) return true;
  return owner === sidOf(THIS_PROCESS, TOKEN_OWNER);
}

/**
 * True for a process of our own user, or of the system, by its handle; also if Windows refuses to tell its user: only
 * processes of our own user, run as administrator, can be opened without telling it. Throws the system's other errors.
 */
export function isOwnUserOrSystem(process: number): boolean {
  const own = ownUserSid();
  const user = userSidOf(process);
  return user === undefined || user === own || user === SYSTEM;
}

const userSidOf = (process: number) => sidOf(process, TOKEN_USER);

/**
 * Returns the identifier of the user that a process runs as, by its handle, or with TOKEN_OWNER of whom it makes the owner
 * of new objects; undefined if we may not open its token. Throws the system's other errors.
 */
function sidOf(process: number, part: keyof typeof HEAD_BYTES): string | undefined {
  const handle = new BigInt64Array(1);
  const open = windowsApi("advapi32", "int OpenProcessToken(intptr_t, uint32_t, void *)");
  if (!open(process, TOKEN_QUERY, handle)) {
    const error = windowsError("OpenProcessToken");
    if (error.number === ERROR_ACCESS_DENIED) return undefined;
    throw error;
  }
  const token = Number(handle[0]);
  try {
    const told = Buffer.alloc(256);
    const length = new Uint32Array(1);
    const ask = windowsApi(
      "advapi32",
      "int GetTokenInformation(intptr_t, int, void *, uint32_t, void *)",
    );
    if (!ask(token, part, told, told.length, length)) throw windowsError("GetTokenInformation");
    return sidText(told.subarray(HEAD_BYTES[part]));
  } finally {
    closeHandle(token);
  }
}

/** Writes a SID as Windows does: its revision, its authority (48 bits, big-endian), and 32 bits for each part. */
export function sidText(sid: Buffer): string {
  const parts = Array.from({ length: sid[1]! }, (_, at) => sid.readUInt32LE(8 + 4 * at));
  return ["S", sid[0], sid.readUIntBE(2, 6), ...parts].join("-");
}
