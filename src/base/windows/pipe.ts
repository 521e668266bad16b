import { callbackType, windowsApi, windowsError } from "./api.ts";

/** uv_handle_type of libuv. */
const UV_NAMED_PIPE = 7;

/**
 * Returns the handle of the pipe that libuv has opened last in Node's main thread: in the event of a new connection
 * that is the connection, and right after `listen` the pipe that is listened on. Node does not tell it (uv_fileno). Throws
 * if there is none.
 */
export function newestPipe(): number {
  const { loop, walk, typeOf, fileno } = libuv();
  let newest = -1;
  const found = new BigInt64Array(1);
  // Handles are in the order in which they were opened.
  walk(
    loop(),
    (handle: number) => {
      if (typeOf(handle) === UV_NAMED_PIPE && fileno(handle, found) === 0)
        newest = Number(found[0]);
    },
    0,
  );
  if (newest === -1) throw new Error("there is no pipe");
  return newest;
}

/** Returns the process that has connected to a pipe of ours. Throws the system's error. */
export function clientProcessOf(handle: number): number {
  const pid = new Uint32Array(1);
  const ask = windowsApi("kernel32", "int GetNamedPipeClientProcessId(intptr_t, void *)");
  if (!ask(handle, pid)) throw windowsError("GetNamedPipeClientProcessId");
  return pid[0]!;
}

let bound: ReturnType<typeof bindLibuv> | undefined;

function libuv() {
  bound ??= bindLibuv();
  return bound;
}

function bindLibuv() {
  callbackType("void AuthdWalkCallback(intptr_t, intptr_t)");
  return {
    loop: windowsApi("node", "intptr_t uv_default_loop()"),
    walk: windowsApi("node", "void uv_walk(intptr_t, AuthdWalkCallback *, intptr_t)"),
    typeOf: windowsApi("node", "int uv_handle_get_type(intptr_t)"),
    fileno: windowsApi("node", "int uv_fileno(intptr_t, void *)"),
  };
}
