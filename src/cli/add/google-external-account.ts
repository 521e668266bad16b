/** Adds a workload that Google Cloud trusts, out of the configuration that gcloud makes (AIP-4117). */
import { readFile } from "node:fs/promises";
import { omitUndefined } from "../../base/omit-undefined.ts";
import { AuthdError, messageOf } from "../../errors.ts";
import { parseSettings } from "../settings-input.ts";
import { mapExternalAccount } from "./external-account.ts";
import { asJson } from "./google-service-account.ts";
import type { AddOptions } from "./options.ts";
import { announceAdded, sendAdd } from "./send.ts";

const OPTION = "--google-external-account";

export async function addGoogleExternalAccount(name: string, options: AddOptions): Promise<void> {
  const { googleExternalAccount: path = "", set = [], replace } = options;
  const { scope = [], ...given } = parseSettings(set);
  const scopes = [scope].flat().flatMap((words) => words.split(/[\s,]+/).filter(Boolean));
  const mapped = mapExternalAccount(asJson(await read(path)), scopes);
  if (typeof mapped === "string") {
    throw new AuthdError("invalid_params", `${OPTION}: ${path} ${mapped}`);
  }
  const { grant, settings, secrets } = mapped;
  const params = { name, grant, secrets, settings: { ...settings, ...given } };
  announceAdded(await sendAdd({ ...params, ...omitUndefined({ replace }) }), replace);
}

/** The file is seldom a secret: most of them only say where one is. */
async function read(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new AuthdError("invalid_params", `${OPTION}: ${messageOf(error)}`);
  }
}
