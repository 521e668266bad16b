/** Executable-sourced credentials of Google's external accounts (AIP-4117). */
import { resolve } from "node:path";
import { shellWord } from "../base/shell-word.ts";
import { AuthdError } from "../errors.ts";
import type { HelperCall, InstallOptions } from "./helper.ts";
import type { Change } from "./setup/change.ts";

const SAML2 = "urn:ietf:params:oauth:token-type:saml2";
const JWT = "urn:ietf:params:oauth:token-type:jwt";

/** Answers `authd helper gcp NAME` with the token of this credential, as the subject token. */
export async function answer(call: HelperCall): Promise<number> {
  const [credential] = call.args;
  if (!credential)
    throw new AuthdError("invalid_params", "Name the credential: authd helper gcp NAME");
  const { accessToken, expiresAt } = await call.getToken({ credential });
  const type = call.env.GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE || JWT;
  say(call, {
    success: true,
    token_type: type,
    [type === SAML2 ? "saml_response" : "id_token"]: accessToken,
    ...(expiresAt !== null && { expiration_time: Math.floor(expiresAt / 1_000) }),
  });
  return 0;
}

/** Google's libraries read an error from standard output, and only there. */
export function fail(call: HelperCall, message: string, code: number): number {
  say(call, { success: false, code: `authd_${code}`, message });
  return 0;
}

function say(call: HelperCall, answered: object): void {
  call.write(`${JSON.stringify({ version: 1, ...answered })}\n`);
}

/** `--for FILE=NAME`: a file that `gcloud iam workload-identity-pools create-cred-config` has written. */
export function changes({ wanted, command }: InstallOptions): Change[] {
  if (wanted.length === 0) throw missingFile();
  return wanted.map(({ target, credential }) => {
    if (!credential) throw missingFile();
    return {
      kind: "json",
      path: resolve(target),
      at: ["credential_source", "executable", "command"],
      value: [...command, "helper", "gcp", credential].map(shellWord).join(" "),
      target,
      credential,
    };
  });
}

const missingFile = () =>
  new AuthdError(
    "invalid_params",
    "Name the credential configuration that gcloud has made, and the credential: --for FILE=NAME",
  );
