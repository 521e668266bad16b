/** AWS' `credential_process`, and with `--serve` its container endpoint: temporary keys of a credential. */
import { join } from "node:path";
import { AuthdError } from "../errors.ts";
import type { GetTokenResult } from "../protocol.ts";
import type { HelperCall, InstallOptions } from "./helper.ts";
import type { Change } from "./setup/change.ts";

/** Keys with the names of the container endpoint, which those of `credential_process` are made of. */
export interface AwsKeys {
  AccessKeyId: string;
  SecretAccessKey: string;
  Token?: string;
  Expiration?: string;
}

/** The SDKs ask anew from 15 minutes before the end on. */
const MIN_VALIDITY_S = 15 * 60;

/** `NAME`: prints its keys. `NAME --serve`: serves them on loopback until it is ended. */
export async function answer(call: HelperCall): Promise<number> {
  const [name, ...options] = call.args;
  if (name === undefined || name.startsWith("-")) throw usage();
  if (options[0] === "--serve") {
    const { serve } = await import("./aws-endpoint.ts");
    return await serve(call, () => keysOf(call, name), options.slice(1));
  }
  if (options.length > 0) throw usage();
  const { Token, ...keys } = await keysOf(call, name);
  const session = Token === undefined ? {} : { SessionToken: Token };
  call.write(`${JSON.stringify({ Version: 1, ...keys, ...session })}\n`);
  return 0;
}

const usage = () => new AuthdError("invalid_params", "authd helper aws NAME [--serve [--port N]]");

async function keysOf({ getToken }: HelperCall, credential: string): Promise<AwsKeys> {
  return awsKeys(credential, await getToken({ credential, minValidity: MIN_VALIDITY_S }));
}

/**
 * Returns the keys that a token came with: `access_key_id` and `secret_access_key` of the kept values, and the
 * token as the session's, unless it is the secret key itself. Throws AuthdError `invalid_params`.
 */
function awsKeys(
  credential: string,
  { accessToken, expiresAt, extra = {} }: GetTokenResult,
): AwsKeys {
  const { access_key_id, secret_access_key = accessToken, session_token } = extra;
  if (access_key_id === undefined) {
    throw new AuthdError(
      "invalid_params",
      `${credential} keeps no access_key_id of its issuer's answer: authd edit ${credential}, and see [response.keep]`,
      { credential },
    );
  }
  const session = session_token ?? (secret_access_key === accessToken ? undefined : accessToken);
  return {
    AccessKeyId: access_key_id,
    SecretAccessKey: secret_access_key,
    ...(session === undefined ? {} : { Token: session }),
    ...(expiresAt === null ? {} : { Expiration: new Date(expiresAt).toISOString() }),
  };
}

/** A profile runs authd. */
export function changes({ env, home, command, wanted }: InstallOptions): Change[] {
  if (wanted.length === 0) {
    const message = "Which profile? authd helper install aws --for default=NAME";
    throw new AuthdError("invalid_params", message);
  }
  const path = env.AWS_CONFIG_FILE || join(home, ".aws", "config");
  return wanted.map(({ target, credential = "" }) => {
    const words = [...command, "helper", "aws", credential].map(quoted).join(" ");
    return {
      kind: "lines",
      path,
      section: target === "default" ? "[default]" : `[profile ${target}]`,
      ...{ key: "credential_process", once: true },
      lines: [`credential_process = ${words}`],
      ...{ target, credential },
    };
  });
}

/** Returns a word as the AWS SDKs and a shell both read it. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `"${word.replace(/["$`\\]/g, "\\$&")}"`;
}
