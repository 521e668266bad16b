/** Has the daemon delete its token files before it is uninstalled: nothing would keep them current. */
import { messageOf } from "../../errors.ts";
import type { Results } from "../../protocol.ts";
import { DaemonConnection } from "../../rpc/daemon-connection.ts";
import { plain } from "../style.ts";
import type { ServiceIo } from "./steps.ts";

/** Time (ms) that each call may take. */
const TIMEOUT_MS = 10_000;

/** Does nothing if no daemon answers on `socket`. Says what was deleted, and what is left. */
export async function deleteTokenFiles(socket: string, io: ServiceIo): Promise<void> {
  const connection = await DaemonConnection.open(socket).catch(() => undefined);
  if (!connection) return;
  const call = (method: "tokenFiles/list" | "tokenFiles/remove", params: object) =>
    connection.request(method, params, { timeoutMs: TIMEOUT_MS });
  try {
    const { tokenFiles } = (await call("tokenFiles/list", {})) as Results["tokenFiles/list"];
    for (const { path } of tokenFiles) {
      await call("tokenFiles/remove", { path }).then(
        () => io.say(`Removed ${plain(path)}`),
        (error) => io.complain(`Left ${plain(path)}: ${plain(messageOf(error))}`),
      );
    }
  } catch (error) {
    io.complain(`Token files may be left: ${plain(messageOf(error))}`);
  } finally {
    connection.destroy();
  }
}
