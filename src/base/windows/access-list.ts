import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { windowsApi, windowsError } from "./api.ts";
import { ownUserSid } from "./user.ts";

const DACL_SECURITY_INFORMATION = 4;
const SDDL_REVISION_1 = 1;

/**
 * Leaves a folder to our own user and the system, with all that is in it and will be; what they would inherit does not
 * count any more. Links are left as they are. Throws the system's error.
 */
export function closeFolder(path: string): void {
  close(path, "OICI");
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const inside = join(path, entry.name);
    if (entry.isDirectory()) closeFolder(inside);
    else if (entry.isFile()) closeFile(inside);
  }
}

/** Closes a file; one that has gone meanwhile needs it no more. */
function closeFile(path: string): void {
  try {
    close(path, "");
  } catch (error) {
    if (existsSync(path)) throw error;
  }
}

/** Sets an access list (SetFileSecurityW), which does not reach what is in a folder already. */
function close(path: string, inheritance: "OICI" | ""): void {
  const list = `D:P(A;${inheritance};FA;;;SY)(A;${inheritance};FA;;;${ownUserSid()})`;
  withDescriptor(list, (descriptor) => {
    const set = windowsApi("advapi32", "int SetFileSecurityW(str16, uint32_t, intptr_t)");
    if (!set(path, DACL_SECURITY_INFORMATION, descriptor)) throw windowsError("SetFileSecurityW");
  });
}

/**
 * Leaves a named pipe, by the handle of one of its instances, to programs of our own user and the system on this
 * machine (SetKernelObjectSecurity). Throws the system's error.
 */
export function closePipe(handle: number): void {
  const list = `D:P(D;;FA;;;NU)(A;;FA;;;SY)(A;;FA;;;${ownUserSid()})`;
  withDescriptor(list, (descriptor) => {
    const set = windowsApi("advapi32", "int SetKernelObjectSecurity(intptr_t, uint32_t, intptr_t)");
    if (!set(handle, DACL_SECURITY_INFORMATION, descriptor))
      throw windowsError("SetKernelObjectSecurity");
  });
}

/** Makes a security descriptor of a text in the Security Descriptor Definition Language. */
function withDescriptor(text: string, use: (descriptor: number) => void): void {
  const convert = windowsApi(
    "advapi32",
    "int ConvertStringSecurityDescriptorToSecurityDescriptorW(str16, uint32_t, void *, void *)",
  );
  const made = new BigInt64Array(1);
  if (!convert(text, SDDL_REVISION_1, made, null))
    throw windowsError("ConvertStringSecurityDescriptorToSecurityDescriptorW");
  const descriptor = Number(made[0]);
  try {
    use(descriptor);
  } finally {
    windowsApi("kernel32", "intptr_t LocalFree(intptr_t)")(descriptor);
  }
}
