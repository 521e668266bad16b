import { AuthdError } from "../errors.ts";
import { callDaemon } from "./call-daemon.ts";

/** Returns a whole URL as it is, and a path at the only origin of its credential. Rejects with AuthdError `invalid_params`. */
export async function wholeUrl(credential: string, given: string): Promise<string> {
  if (!given.startsWith("/")) return given;
  const { origins } = await callDaemon("credentials/show", { credential });
  const [origin] = origins;
  if (origin !== undefined && origins.length === 1) return `${origin}${given}`;
  const why =
    origin === undefined
      ? `it has no origins yet: authd set ${credential} --set origins=https://…`
      : `it has several origins (${origins.join(", ")}): write the whole URL`;
  throw new AuthdError("invalid_params", `${credential}: a path alone is not enough, ${why}`, {
    credential,
  });
}
