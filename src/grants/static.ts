import { AuthdError } from "../errors.ts";
import * as z from "../zod.ts";
import type { Grant } from "./grant.ts";
import { unfitToken } from "./issued-token.ts";
import { prepare, required } from "./prepare.ts";

const schema = z.strictObject({});

/** A token that was given once and is used as it is: nothing is ever asked for. */
export const fixed: Grant<z.output<typeof schema>> = {
  schema,
  secrets: () => [{ name: "token", optional: false, label: "Token" }],
  issuerUrl: () => undefined,
  variants: () => false,
  acquire: async (context) => {
    const accessToken = prepare(context, () => usable(required(context.secrets, "token")));
    return { accessToken, tokenType: "Bearer", expiresIn: "forever" };
  },
};

function usable(token: string): string {
  const unfit = unfitToken(token);
  if (unfit) throw new AuthdError("invalid_params", `its token ${unfit}: enter it again.`);
  return token;
}
