import type { SecretField } from "../grants/grant.ts";
import { type SecretUse, whyUnfitSecret } from "./check-secret.ts";
import { askSecret } from "./prompts.ts";

/**
 * Asks for each secret without echo; those left empty are left out. `whenEmpty` says what an empty
 * answer means; undefined: the secret is needed.
 */
export async function askSecrets(
  credential: SecretUse & { secrets: readonly SecretField[] },
  whenEmpty: (field: SecretField) => string | undefined,
): Promise<Record<string, string>> {
  const secrets: Record<string, string> = {};
  for (const field of credential.secrets) {
    const empty = whenEmpty(field);
    const hints = [field.hint, empty && `empty: ${empty}`].filter(Boolean);
    const answer = await askSecret({
      label: field.label,
      hint: hints.join("; "),
      optional: empty !== undefined,
      check: (secret) => whyUnfitSecret(credential, field.name, secret),
    });
    if (answer !== undefined) secrets[field.name] = answer;
  }
  return secrets;
}
