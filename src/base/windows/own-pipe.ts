import { closeHandle, windowsApi, windowsError } from "./api.ts";
import { isOurs, ownUserSid, sidText } from "./user.ts";

const GENERIC_READ_WRITE = 0xc0000000;
const OPEN_EXISTING = 3;
const FILE_FLAG_OVERLAPPED = 0x40000000;
/** SECURITY_SQOS_PRESENT with SECURITY_IDENTIFICATION: who listens may ask who we are, and not act as we. */
const IDENTIFICATION = 0x00110000;
const OWNER_SECURITY_INFORMATION = 1;
const INVALID_HANDLE = -1;
const ERROR_FILE_NOT_FOUND = 2;
const ERROR_PIPE_BUSY = 231;
const LONGEST_DESCRIPTOR = 4096;
/** Where a self-relative SECURITY_DESCRIPTOR says where its owner is. */
const OWNER_AT = 4;

/**
 * Opens a named pipe that is ours, the system's or an administrator's; returns a descriptor, or undefined while nobody waits
 * for a client there. Throws the system's error (`code` ENOENT: there is no such pipe), and an Error for anyone else's pipe.
 */
export function openOwnPipe(path: string): number | undefined {
  const create = windowsApi(
    "kernel32",
    "intptr_t CreateFileW(str16, uint32_t, uint32_t, void *, uint32_t, uint32_t, intptr_t)",
  );
  const flags = FILE_FLAG_OVERLAPPED | IDENTIFICATION;
  const handle = create(path, GENERIC_READ_WRITE, 0, null, OPEN_EXISTING, flags, 0);
  if (handle === INVALID_HANDLE) {
    const error = windowsError("CreateFileW");
    if (error.number === ERROR_PIPE_BUSY) return undefined;
    throw error.number === ERROR_FILE_NOT_FOUND ? Object.assign(error, { code: "ENOENT" }) : error;
  }
  try {
    refuseForeign(ownerOf(handle));
    const descriptor = windowsApi("node", "int uv_open_osfhandle(intptr_t)")(handle);
    if (descriptor === -1) throw new Error("uv_open_osfhandle failed");
    return descriptor;
  } catch (error) {
    closeHandle(handle);
    throw error;
  }
}

function refuseForeign(owner: string | undefined): void {
  if (owner !== undefined && isOurs(owner)) return;
  const whose = owner === undefined ? "the pipe's user can't be told" : `it is user ${owner}'s`;
  throw new Error(`${whose}, and you are ${ownUserSid()}: nothing was sent`);
}

function ownerOf(handle: number): string | undefined {
  const descriptor = Buffer.alloc(LONGEST_DESCRIPTOR);
  const length = new Uint32Array(1);
  const ask = windowsApi(
    "advapi32",
    "int GetKernelObjectSecurity(intptr_t, uint32_t, void *, uint32_t, void *)",
  );
  if (!ask(handle, OWNER_SECURITY_INFORMATION, descriptor, descriptor.length, length))
    throw windowsError("GetKernelObjectSecurity");
  const at = descriptor.readUInt32LE(OWNER_AT);
  return at === 0 ? undefined : sidText(descriptor.subarray(at));
}
