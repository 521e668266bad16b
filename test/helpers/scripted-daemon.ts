import net from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { temporaryFolder } from "./folder.ts";
import type { Scope } from "./scope.ts";

/** What is written for a request: members of its answer, a line as it is, or undefined: the connection ends. */
export type ScriptedAnswer = object | string | undefined;

/**
 * Listens as a daemon does, and answers each request with what `answer` says; connections are counted from 1. Returns
 * the socket's path.
 */
export async function startScriptedDaemon(
  t: Scope,
  answer: (
    method: string,
    params: unknown,
    connection: number,
  ) => ScriptedAnswer | Promise<ScriptedAnswer>,
): Promise<string> {
  let connections = 0;
  const server = net.createServer((socket) => {
    const connection = ++connections;
    socket.on("error", () => {});
    t.teardown(() => socket.destroy());
    // It passes the socket's errors on: a client that has left is none of ours.
    const lines = createInterface({ input: socket }).on("error", () => {});
    lines.on("line", async (line) => {
      const { id, method, params } = JSON.parse(line);
      const given = await answer(method, params, connection);
      if (given === undefined) socket.destroy();
      else if (typeof given === "string") socket.write(`${given}\n`);
      else socket.write(`${JSON.stringify({ jsonrpc: "2.0", id, ...given })}\n`);
    });
  });
  const path = join(temporaryFolder(t), "authd.sock");
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.teardown(() => server.close());
  return path;
}
