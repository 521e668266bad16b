import { callDaemon } from "../call-daemon.ts";
import { print, printJson } from "../output.ts";
import { plain } from "../style.ts";
import { count } from "./words.ts";

/** A move waits for token requests, and seals everything anew. */
const MOVE_TIMEOUT_MS = 600_000;

/** Runs `authd vault move --to URL`. */
export async function move({ to, json = false }: { to: string; json?: boolean }): Promise<void> {
  const result = await callDaemon("vault/move", { to }, MOVE_TIMEOUT_MS);
  if (json) return printJson(result);
  const { host, credentials } = result;
  const moved = count(credentials, "credential");
  if (to === "file:") return print(`${moved}: this host's alone again.`);
  print(
    `${moved} in the store now; this host is ${plain(host)} there.`,
    "  to let another host in: authd fleet invite",
  );
}
