/** Takes a registered client back at its issuer (RFC 7592 section 2.3). */
import { AuthdError } from "../../errors.ts";
import type { SendToIssuer } from "../grant.ts";
import { whyUnfitAddress } from "./private-address.ts";

/** A client that authd registered, and what manages it, where the issuer told. */
interface Registered {
  issuer: string;
  accessToken?: string;
  managementUrl?: string;
}

interface Deregistration {
  deregistered: boolean;
  /** Says how it went, for a person. */
  detail: string;
}

/** Never rejects: nothing depends on it. */
export async function deregisterClient(
  { issuer, accessToken, managementUrl: url }: Registered,
  send: SendToIssuer,
): Promise<Deregistration> {
  const stays = (why: string): Deregistration => ({
    ...{ deregistered: false, detail: `its client stays registered at ${issuer}: ${why}` },
  });
  if (accessToken === undefined || url === undefined) {
    return stays("it has no way to take clients back");
  }
  const unfit = whyUnfitAddress(url, new URL(issuer));
  if (unfit !== undefined) return stays(`the address to take it back at ${unfit}`);
  try {
    const headers = { authorization: `Bearer ${accessToken}` };
    const request = { method: "DELETE", url, headers, hidesPath: true, hidden: [accessToken] };
    const { status } = await send(request);
    if (status >= 200 && status <= 299) {
      return { deregistered: true, detail: `its client is no longer registered at ${issuer}` };
    }
    return status === 401 || status === 404
      ? { deregistered: true, detail: `its client is not known at ${issuer} any more` }
      : stays(`it answered HTTP ${status}`);
  } catch (error) {
    if (!(error instanceof AuthdError)) throw error;
    return stays(error.message);
  }
}
