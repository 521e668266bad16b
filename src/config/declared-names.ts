import { ASSERTION } from "../grants/index.ts";
import type { CredentialType } from "./credential-type.ts";
import type { Table } from "./json-table.ts";
import { keptNames } from "./kept-places.ts";
import { declaredSecrets } from "./secrets.ts";
import type { DeclaredNames } from "./template-places.ts";

/** Returns the names that templates of `settings` may hold. `fields`: the preset's, and the file's own. */
export function declaredNames(
  type: CredentialType,
  settings: Table,
  fields: readonly string[],
): DeclaredNames {
  return {
    fields,
    secrets: declaredSecrets(type, settings).map((secret) => `secret.${secret}`),
    made: settings.assertion === undefined ? [] : [ASSERTION],
    kept: keptNames(settings).map((name) => `kept.${name}`),
  };
}
