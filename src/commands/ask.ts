import { AuthdError } from "../errors.ts";
import type { Method, ParamsOf, Results } from "../protocol.ts";
import { defaultSocketPath } from "../socket.ts";
import { ConnectionLost, Link } from "../wire/link.ts";

/** Longer than anything that the daemon does for one call. */
const PATIENCE_MS = 120_000;

/**
 * One call on a connection of its own. Rejects with the daemon's error as an AuthdError, or with
 * NoDaemonError. The package's client would try again after a lost connection: a command says so.
 */
export async function ask<M extends Method>(
  method: M,
  params: ParamsOf<M>,
  timeoutMs = PATIENCE_MS,
): Promise<Results[M]> {
  const link = await dial();
  try {
    return (await link.request(method, params, { timeoutMs })) as Results[M];
  } catch (error) {
    throw error instanceof ConnectionLost ? hungUp() : error;
  } finally {
    link.destroy();
  }
}

export function dial(): Promise<Link> {
  return Link.open(defaultSocketPath());
}

export function hungUp(): AuthdError {
  return new AuthdError("shutting_down", "the daemon closed the connection before it answered");
}
