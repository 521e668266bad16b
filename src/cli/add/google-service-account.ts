/** Adds a Google service account out of the key file that Google's console makes. */
import { createPrivateKey } from "node:crypto";
import * as z from "../../base/zod.ts";
import { AuthdError } from "../../errors.ts";
import { readPrivately } from "../secrets-input.ts";
import { parseSettings } from "../settings-input.ts";
import { offerRemoval } from "./offer-removal.ts";
import type { AddOptions } from "./options.ts";
import { announceAdded, sendAdd } from "./send.ts";

const OPTION = "--google-service-account";
const DEFAULT_SCOPE = "https://www.googleapis.com/auth/cloud-platform";

const keyFile = z.object({
  type: z.enum(["service_account"]),
  client_email: z.nonEmpty,
  private_key: z.string().check(z.refine(isPrivateKey)),
  private_key_id: z.nonEmpty,
  token_uri: z.url({ protocol: /^https?$/ }),
});

type KeyFile = z.output<typeof keyFile>;

/** Adds the credential, and offers to remove the file once the vault has its key. */
export async function addGoogleServiceAccount(name: string, options: AddOptions): Promise<void> {
  const { googleServiceAccount: path = "", set = [], replace } = options;
  const file = parse(await readPrivately(path, OPTION), path);
  const params = {
    name,
    grant: "jwt_bearer",
    settings: { ...settingsOf(file), ...parseSettings(set) },
    secrets: { key: file.private_key },
    ...(replace === undefined ? {} : { replace }),
  };
  announceAdded(await sendAdd(params), replace);
  await offerRemoval(path, "the key");
}

function settingsOf(file: KeyFile) {
  return {
    token_url: file.token_uri,
    key_id: file.private_key_id,
    scope: DEFAULT_SCOPE,
    "claims.iss": file.client_email,
    "claims.scope": "{scope}",
  };
}

/** Throws AuthdError `invalid_params`, which never quotes the file. */
function parse(content: string, path: string): KeyFile {
  const value = asJson(content);
  const { success, data } = keyFile.safeParse(value);
  if (success) return data;
  const type = (value as { type?: unknown } | undefined)?.type;
  const what =
    typeof type === "string" && type !== "service_account" && /^[a-z_]{1,40}$/.test(type)
      ? `is of type ${type}, and authd takes keys of a service_account`
      : "is no key file of a Google service account (JSON with client_email, private_key, private_key_id and token_uri)";
  throw new AuthdError("invalid_params", `${OPTION}: ${path} ${what}`);
}

/** Returns undefined for what is no JSON. */
export function asJson(content: string): unknown {
  try {
    return JSON.parse(content.replace(/^\ufeff/, ""));
  } catch {
    // Without the cause: its message quotes the text, which holds the key.
    return undefined;
  }
}

function isPrivateKey(pem: string): boolean {
  try {
    return createPrivateKey(pem).type === "private";
  } catch {
    return false;
  }
}
