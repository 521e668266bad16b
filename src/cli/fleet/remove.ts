import { callDaemon } from "../call-daemon.ts";
import { print } from "../output.ts";
import { plain } from "../style.ts";

/** Everything is sealed anew. */
const REMOVE_TIMEOUT_MS = 600_000;

/** Runs `authd fleet drain`. */
export async function drain(): Promise<void> {
  await callDaemon("fleet/drain", {});
  print("This host refreshes nothing any more, until authd starts again.");
}

/** Runs `authd fleet remove HOST`. */
export async function remove(host: string, { force = false }: { force?: boolean }): Promise<void> {
  const params = { host, ...(force && { force }) };
  const { unproven, credentials, unsettled } = await callDaemon(
    "fleet/remove",
    params,
    REMOVE_TIMEOUT_MS,
  );
  print(
    `${plain(host)} is shut out: what is in the store is sealed with a new key.`,
    "  it has read what was there before: where it is not trusted, enter other secrets",
    ...unproven.map(
      (name) => `  ${plain(name)} went, too: nobody has let it in. It may join again`,
    ),
    ...credentials.map((name) => `  ${plain(name)} went, too: no other host had its group`),
    ...unsettled.map(
      (name) =>
        `  ${plain(name)}: its refresh token may be spent, by a request of which nobody tells what came of it`,
    ),
  );
}
