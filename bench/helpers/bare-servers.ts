/** Bare Node servers that give the answer that the daemon gives: what getToken is compared with. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Bench } from "./bench.ts";
import { type Program, startProgramProcess } from "./child.ts";
import { Load } from "./load.ts";

export interface BareServers {
  /** Socket of a server that writes each answer by itself. */
  plain: string;
  /** Socket of a server that writes the answers to a chunk of requests at once. */
  batched: string;
  batchedProcess: Program;
}

/** Asks the daemon on `socket` once for `params`, and starts servers that repeat its answer. */
export async function startBareServers(
  bench: Bench,
  socket: string,
  params: object,
): Promise<BareServers> {
  const load = await Load.open(socket, "lines", 1, params);
  const { result } = await load.ask();
  load.close();
  if (!result) throw new Error("the daemon has no token");
  const answer = join(bench.folder, "answer.json");
  writeFileSync(answer, JSON.stringify(result));
  const plain = join(bench.folder, "bare.sock");
  const batched = join(bench.folder, "batched.sock");
  await startProgramProcess(bench, "bare-server.js", plain, answer);
  const batchedProcess = await startProgramProcess(
    bench,
    "bare-server.js",
    batched,
    answer,
    "batched",
  );
  return { plain, batched, batchedProcess };
}
