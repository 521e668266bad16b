/** Hands a new credential to the daemon, and says what came of it. */
import { AuthdError } from "../../errors.ts";
import type { AddResult, CredentialInfo, ParamsOf } from "../../protocol.ts";
import { callDaemon } from "../call-daemon.ts";
import { announce } from "../print-result.ts";
import { plain } from "../style.ts";

/** Rejects with an error that says so if the credential is kept all the same. */
export async function sendAdd(
  params: ParamsOf<"credentials/add">,
  signal?: AbortSignal,
): Promise<AddResult> {
  return await callDaemon("credentials/add", params, undefined, signal).catch((error) =>
    tellIfKept(params.name, error),
  );
}

export function announceAdded(info: AddResult, replace = false): void {
  const { detail } = info.replacedClient ?? {};
  if (detail !== undefined) {
    process.stderr.write(`authd: ${info.name} as it was before: ${plain(detail)}\n`);
  }
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
