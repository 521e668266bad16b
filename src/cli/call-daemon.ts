import { AuthdError } from "../errors.ts";
import type { Method, ParamsOf, Results } from "../protocol.ts";
import { ConnectionLost, DaemonConnection } from "../rpc/daemon-connection.ts";
import { defaultSocketPath } from "../rpc/socket.ts";

/** Longer than anything that the daemon does for one call. */
const PATIENCE_MS = 150_000;
/** How long the daemon waits for a person's word, on top of everything else. */
export const FOR_A_PERSON_MS = 60_000;
/** Who waits longer than this on a terminal hears whom for. */
const TELL_AFTER_MS = 1_000;

/**
 * One call on a connection of its own. Rejects with the daemon's error as an AuthdError, or with
 * NoDaemonError. The package's client would try again after a lost connection: a command says so.
 * An aborted `signal` ends the connection, which withdraws the call.
 */
export async function callDaemon<M extends Method>(
  method: M,
  params: ParamsOf<M>,
  timeoutMs = PATIENCE_MS,
  signal?: AbortSignal,
): Promise<Results[M]> {
  const connection = await connectToDaemon();
  const leave = () => connection.destroy();
  signal?.addEventListener("abort", leave);
  try {
    return (await telling(connection, params, () =>
      connection.request(method, params, { timeoutMs }),
    )) as Results[M];
  } catch (error) {
    throw error instanceof ConnectionLost ? connectionLost() : error;
  } finally {
    signal?.removeEventListener("abort", leave);
    connection.destroy();
  }
}

/** Does `work`, a call on this link; says so on a terminal if it waits for a person. */
export async function telling<T>(
  connection: DaemonConnection,
  params: object,
  work: () => Promise<T>,
): Promise<T> {
  const { credential = undefined, name = credential } = params as Record<string, unknown>;
  if (process.stderr.isTTY !== true || typeof name !== "string") return await work();
  const timer = setTimeout(() => void tellOf(connection, name), TELL_AFTER_MS);
  try {
    return await work();
  } finally {
    clearTimeout(timer);
  }
}

async function tellOf(connection: DaemonConnection, credential: string): Promise<void> {
  const asked = connection.request("approvals/pending", {}) as Promise<
    Results["approvals/pending"]
  >;
  // Another user may not look; nor is it worth an error.
  const { approvals } = await asked.catch(() => ({ approvals: [] }));
  const question = approvals.find((one) => one.credential === credential);
  if (!question) return;
  process.stderr.write(
    `authd: ${credential}: waiting for a person to approve (in another terminal: authd approve ${question.id})\n`,
  );
}

export function connectToDaemon(): Promise<DaemonConnection> {
  return DaemonConnection.open(defaultSocketPath());
}

export function connectionLost(): AuthdError {
  return new AuthdError("shutting_down", "the daemon closed the connection before it answered");
}
