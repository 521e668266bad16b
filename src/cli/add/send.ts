/** Hands a new credential to the daemon, and says what came of it. */
import { AuthdError } from "../../errors.ts";
import type { CredentialInfo, ParamsOf } from "../../protocol.ts";
import { callDaemon } from "../call-daemon.ts";
import { announce } from "../print-result.ts";

/** Rejects with an error that says so if the credential is kept all the same. */
export async function sendAdd(
  params: ParamsOf<"credentials/add">,
  signal?: AbortSignal,
): Promise<CredentialInfo> {
  return await callDaemon("credentials/add", params, undefined, signal).catch((error) =>
    tellIfKept(params.name, error),
  );
}

export function announceAdded(info: CredentialInfo, replace = false): void {
  const next = [`authd get ${info.name}`, `authd test ${info.name}`];
  announce(info, replace ? "is replaced" : "is added", next);
}

/** True if a person has to sign in before there can be a token. */
export function lacksSignIn({ state, login }: CredentialInfo): boolean {
  return state === "login_required" && login !== undefined;
}

/** Keeps secrets that the issuer refused: some APIs show a secret only once. */
async function tellIfKept(name: string, error: unknown): Promise<never> {
  if (!(error instanceof AuthdError) || error.reason !== "credential_rejected") throw error;
  const { state } = await callDaemon("credentials/show", { credential: name }).catch(() => ({
    state: "",
  }));
  if (state !== "rejected") throw error;
  const { reason, message, oauth } = error;
  const details = { credential: name, cause: error, ...(oauth && { oauth }) };
  throw new AuthdError(reason, `${name} is kept, but not accepted: ${message}`, details);
}
