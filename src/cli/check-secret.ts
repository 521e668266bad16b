import { type Placeholder, placeholders } from "../base/placeholders.ts";
import { headerValue, render } from "../base/template.ts";
import { AuthdError } from "../errors.ts";
import { grantNamed } from "../grants/index.ts";

/** The part of a credential's settings that says what a secret must be like. */
export interface SecretUse {
  grant: string;
  headers: Readonly<Record<string, string>>;
}

/** Returns what is wrong with a secret that was entered, without quoting it; undefined: nothing. */
export function whyUnfitSecret(
  { grant, headers }: SecretUse,
  name: string,
  value: string,
): string | undefined {
  const own = grantNamed(grant).whyUnfitSecret?.(name, value);
  if (own !== undefined) return `It ${own}.`;
  const template = `secret.${name}`;
  // Through a function any text may become a header.
  const isSent = ({ name: of, steps }: Placeholder) => of === template && steps.length === 0;
  if (!Object.values(headers).some((text) => placeholders(text).some(isSent))) return undefined;
  try {
    render(`{${template}}`, { [template]: value }, headerValue);
    return undefined;
  } catch (error) {
    if (error instanceof AuthdError) return error.message;
    throw error;
  }
}
