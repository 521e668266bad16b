import * as z from "../base/zod.ts";
import { AuthdError } from "../errors.ts";
import { buildRequest, required } from "./build-request.ts";
import type { Grant } from "./grant.ts";
import { unfitToken } from "./token-claims.ts";

const schema = z.strictObject({});

/** Uses a token that was entered once as it is: nothing is ever requested. */
export const staticToken: Grant<z.output<typeof schema>> = {
  summary: "a token or API key that is used as it is",
  schema,
  secrets: () => [{ name: "token", optional: false, label: "Token" }],
  whyUnfitSecret: (name, value) => (name === "token" ? unfitToken(value) : undefined),
  issuerUrl: () => undefined,
  acceptsTarget: () => false,
  acquire: async (context) => {
    const accessToken = await buildRequest(context, () =>
      usable(required(context.secrets, "token")),
    );
    return { accessToken, tokenType: "Bearer", expiresIn: "forever" };
  },
};

function usable(token: string): string {
  const unfit = unfitToken(token);
  if (unfit) throw new AuthdError("invalid_params", `its token ${unfit}: enter it again.`);
  return token;
}
