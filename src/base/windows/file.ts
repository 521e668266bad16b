import { closeHandle, windowsApi, windowsError } from "./api.ts";

const GENERIC_READ_WRITE = 0xc0000000;
const FILE_SHARE_READ = 1;
const OPEN_ALWAYS = 4;
const FILE_ATTRIBUTE_NORMAL = 0x80;
const INVALID_HANDLE = -1;
const ERROR_SHARING_VIOLATION = 32;

/**
 * Opens a file, made if need be, that nobody else can open to write, move or delete as long as it is open, which ends with
 * this process (CreateFileW). Returns a descriptor; undefined if another process has it open so. Throws the system's error.
 */
export function openAlone(path: string): number | undefined {
  const create = windowsApi(
    "kernel32",
    "intptr_t CreateFileW(str16, uint32_t, uint32_t, void *, uint32_t, uint32_t, intptr_t)",
  );
  const handle = create(
    ...[path, GENERIC_READ_WRITE, FILE_SHARE_READ, null],
    ...[OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, 0],
  );
  if (handle === INVALID_HANDLE) {
    const error = windowsError("CreateFileW");
    if (error.number === ERROR_SHARING_VIOLATION) return undefined;
    throw error;
  }
  const descriptor = windowsApi("node", "int uv_open_osfhandle(intptr_t)")(handle);
  if (descriptor !== -1) return descriptor;
  closeHandle(handle);
  throw new Error("uv_open_osfhandle failed");
}
