import { AuthdError } from "../errors.ts";
import type { AcquireContext } from "./grant.ts";

/**
 * Runs `write`, which builds a token request. Turns its AuthdError into one for the person
 * (`credential_rejected`), or for the caller that asked for a scope or audience of its own
 * (`invalid_params`); either way nothing was sent.
 */
export async function buildRequest<T>(
  context: AcquireContext<unknown>,
  write: () => T | Promise<T>,
): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (!(error instanceof AuthdError)) throw error;
    const { credential, scope, audience } = context;
    const isCallers = scope !== undefined || audience !== undefined;
    throw new AuthdError(
      isCallers ? "invalid_params" : "credential_rejected",
      `"${credential}" can't ask for a token: ${error.message}`,
      { credential, contact: { sent: false, answered: false } },
    );
  }
}

/** Returns a secret that the grant requires. Throws AuthdError `invalid_params`: for use inside `buildRequest`. */
export function required(secrets: Readonly<Record<string, string>>, name: string): string {
  const value = secrets[name];
  if (value) return value;
  throw new AuthdError("invalid_params", `its secret "${name}" is missing: enter it.`);
}
