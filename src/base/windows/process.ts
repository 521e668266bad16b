import { uptime } from "node:os";
import { closeHandle, windowsApi, windowsError } from "./api.ts";

const PROCESS_QUERY_LIMITED_INFORMATION = 0x1000;
const PROCESS_VM_READ = 0x10;
const BASIC_INFORMATION = 0;
const BASIC_BYTES = 48;
/** Where a process of 64 bits keeps how it was started: in its PEB, and there in RTL_USER_PROCESS_PARAMETERS. */
const PARAMETERS_AT = 0x20;
const [FOLDER_AT, COMMAND_LINE_AT] = [0x38, 0x70];
const MAX_PATH_CHARACTERS = 32_768;
/** Between 1601 and 1970, ms. */
const EPOCH_MS = 11_644_473_600_000;
/** Windows tells the start of a process by the wall clock. Constant, so that two readings are equal. */
const BOOTED_AT_MS = Date.now() - uptime() * 1_000;

/** Facts about a process of Windows. */
export interface WindowsProcess {
  /** Process that started it; it may have ended, and its number be another's. */
  parent: number;
  /** Boot time, ms. */
  startedAt: number;
  executable: string;
  /** Command line and folder, as the process keeps them, and may write them; undefined if it does not let us read it. */
  started: { commandLine: string; folder: string } | undefined;
}

/** Returns the boot time (ms) as times of processes are told. */
export const bootTimeMs = (): number => Date.now() - BOOTED_AT_MS;

/** Opens a process to ask about it. Throws the system's error, for other users' processes, too. */
export function withProcess<Result>(
  pid: number,
  use: (handle: number) => Result,
  access = PROCESS_QUERY_LIMITED_INFORMATION,
): Result {
  const open = windowsApi("kernel32", "intptr_t OpenProcess(uint32_t, int, uint32_t)");
  const handle = open(access, 0, pid);
  if (handle === 0) throw windowsError("OpenProcess");
  try {
    return use(handle);
  } finally {
    closeHandle(handle);
  }
}

/** Reads what is known of a process. Throws the system's error if it does not run. */
export function readProcess(pid: number): WindowsProcess {
  return withProcess(pid, (handle) => {
    const basic = basicOf(handle);
    return {
      parent: Number(basic.readBigUInt64LE(40)),
      startedAt: startOf(handle),
      executable: executableOf(handle),
      started: startedWith(pid, basic.readBigUInt64LE(8)),
    };
  });
}

function startOf(handle: number): number {
  const times = new BigUint64Array(4);
  const [created, exited, kernel, user] = [0, 1, 2, 3].map((at) => times.subarray(at, at + 1));
  const ask = windowsApi(
    "kernel32",
    "int GetProcessTimes(intptr_t, void *, void *, void *, void *)",
  );
  if (!ask(handle, created, exited, kernel, user)) throw windowsError("GetProcessTimes");
  // In units of 100 ns.
  return Number(times[0]! / 10_000n) - EPOCH_MS - BOOTED_AT_MS;
}

function executableOf(handle: number): string {
  const text = Buffer.alloc(2 * MAX_PATH_CHARACTERS);
  const length = new Uint32Array([MAX_PATH_CHARACTERS]);
  const ask = windowsApi(
    "kernel32",
    "int QueryFullProcessImageNameW(intptr_t, uint32_t, void *, void *)",
  );
  if (!ask(handle, 0, text, length)) throw windowsError("QueryFullProcessImageNameW");
  return text.toString("utf16le", 0, 2 * length[0]!);
}

function startedWith(pid: number, peb: bigint): WindowsProcess["started"] {
  const access = PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_VM_READ;
  try {
    return withProcess(
      pid,
      (handle) => {
        const parameters = read(handle, peb + BigInt(PARAMETERS_AT), 8).readBigUInt64LE();
        const text = (at: number) => textAt(handle, parameters + BigInt(at));
        return { commandLine: text(COMMAND_LINE_AT), folder: text(FOLDER_AT) };
      },
      access,
    );
  } catch {
    return undefined;
  }
}

/** Reads a UNICODE_STRING: its length in bytes (16 bits), and where it is. */
function textAt(process: number, address: bigint): string {
  const string = read(process, address, 16);
  return read(process, string.readBigUInt64LE(8), string.readUInt16LE(0)).toString("utf16le");
}

function read(process: number, address: bigint, bytes: number): Buffer {
  const content = Buffer.alloc(bytes);
  const copy = windowsApi(
    "kernel32",
    "int ReadProcessMemory(intptr_t, intptr_t, void *, uintptr_t, void *)",
  );
  if (!copy(process, address, content, bytes, null)) throw windowsError("ReadProcessMemory");
  return content;
}

/** PROCESS_BASIC_INFORMATION: its PEB is at 8, its parent at 40. */
function basicOf(handle: number): Buffer {
  const answer = Buffer.alloc(BASIC_BYTES);
  const ask = windowsApi(
    "ntdll",
    "int32_t NtQueryInformationProcess(intptr_t, int, void *, uint32_t, void *)",
  );
  const status = ask(handle, BASIC_INFORMATION, answer, answer.length, null);
  if (status !== 0) throw new Error(`NtQueryInformationProcess: 0x${(status >>> 0).toString(16)}`);
  return answer;
}
