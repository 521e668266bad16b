import { didYouMean } from "../../base/suggest.ts";
import { AuthdError } from "../../errors.ts";
import type { HelperRow } from "../../helpers/helper.ts";
import { helpers } from "../../helpers/index.ts";

/** Returns the row of a tool. Throws AuthdError `invalid_params` for one that authd has no helper for. */
export function rowOf(tool: string): HelperRow {
  if (Object.hasOwn(helpers, tool)) return helpers[tool]!;
  const meant = didYouMean(tool, Object.keys(helpers));
  throw new AuthdError(
    "invalid_params",
    `There is no helper for ${tool}.${meant} authd helper list shows all.`,
  );
}
