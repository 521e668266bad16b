import { AuthdError } from "../errors.ts";
import { callDaemon } from "./call-daemon.ts";

/** Says how a credential comes to an origin. `entries`: those of its file. */
function whyNone(credential: string, entries: unknown): string {
  const comesWithToken = Array.isArray(entries) && entries.some((entry) => /^\{kept\./.test(entry));
  return comesWithToken
    ? `its origin comes with its first token: authd refresh ${credential}`
    : `it has no origins yet: authd set ${credential} --set origins=https://…`;
}

/** Returns a whole URL as it is, and a path at the only origin of its credential. Rejects with AuthdError `invalid_params`. */
export async function wholeUrl(credential: string, given: string): Promise<string> {
  if (!given.startsWith("/")) return given;
  const { origins, settings } = await callDaemon("credentials/show", { credential });
  const [origin] = origins;
  if (origin !== undefined && origins.length === 1) return `${origin}${given}`;
  const why =
    origin === undefined
      ? whyNone(credential, settings?.origins)
      : `it has several origins (${origins.join(", ")}): write the whole URL`;
  throw new AuthdError("invalid_params", `${credential}: a path alone is not enough, ${why}`, {
    credential,
  });
}
