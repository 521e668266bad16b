import { AuthdError } from "../errors.ts";
import type { Method, ParamsOf, Results } from "../protocol.ts";
import { ConnectionLost, DaemonConnection } from "../rpc/daemon-connection.ts";
import { clientSocketPath } from "../rpc/socket.ts";

/** Longer than anything that the daemon does for one call. */
const CALL_TIMEOUT_MS = 150_000;
/** Time that the daemon waits for a person's answer, in addition to everything else. */
export const FOR_A_PERSON_MS = 60_000;
/** Delay after which a terminal is told that the daemon waits for a person. */
const WAIT_NOTICE_DELAY_MS = 1_000;

/**
 * Makes one call on a connection of its own. Rejects with the daemon's error as an AuthdError, or with
 * NoDaemonError. The package's client would try again after a lost connection: a command says so.
 * An aborted `signal` ends the connection, which withdraws the call.
 */
export async function callDaemon<M extends Method>(
  method: M,
  params: ParamsOf<M>,
  timeoutMs = CALL_TIMEOUT_MS,
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

/** Does `work`, a call on this connection. Tells a terminal if the call waits for a person. */
export async function telling<T>(
  connection: DaemonConnection,
  params: object,
  work: () => Promise<T>,
): Promise<T> {
  const { credential = undefined, name = credential } = params as Record<string, unknown>;
  if (process.stderr.isTTY !== true || typeof name !== "string") return await work();
  const timer = setTimeout(() => void tellOfQuestion(connection, name), WAIT_NOTICE_DELAY_MS);
  try {
    return await work();
  } finally {
    clearTimeout(timer);
  }
}

/** Tells a terminal of the question that a person has to answer about this credential, if there is one. */
export async function tellOfQuestion(
  connection: DaemonConnection,
  credential: string,
): Promise<void> {
  const asked = connection.request("approvals/pending", {}) as Promise<
    Results["approvals/pending"]
  >;
  // Other users may not list questions: the notice is left out then.
  const { approvals } = await asked.catch(() => ({ approvals: [] }));
  const question = approvals.find((one) => one.credential === credential);
  if (!question) return;
  process.stderr.write(
    `authd: ${credential}: waiting for a person to approve (in another terminal: authd approve ${question.id})\n`,
  );
}

export function connectToDaemon(): Promise<DaemonConnection> {
  return DaemonConnection.open(clientSocketPath());
}

export function connectionLost(): AuthdError {
  return new AuthdError("shutting_down", "the daemon closed the connection before it answered");
}
