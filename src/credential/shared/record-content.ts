import { DEFAULT_GROUP, openPayload } from "../../vault/store/index.ts";
import { groupIn, keyOf, withKeysFor } from "./groups.ts";
import type { SharedContext } from "./shared-context.ts";
import { type SharedContent, sharedContent } from "./shared-record.ts";

/** Opens a record of the store. Rejects with AuthdError `credential_damaged`, and with StoreDown. */
export async function contentOf(
  context: SharedContext,
  name: string,
  payload: Buffer,
): Promise<{ group: string; content: SharedContent }> {
  return await withKeysFor(context, payload, (keys) => {
    const group = groupIn(keys, payload) ?? DEFAULT_GROUP;
    const opened = openPayload(keyOf(keys, group), name, payload);
    return { group, content: sharedContent.parse(opened) as SharedContent };
  });
}
