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

/** HTTP 401 is the answer both to a token that is not taken and for a client that is gone (RFC 7592 section 2.3). */
const mayStay = (issuer: string): Deregistration => ({
  deregistered: false,
  detail: `its client may still be registered at ${issuer}, which does not take the token of its registration any more`,
});

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
    if (status === 404 || status === 410) {
      return { deregistered: true, detail: `its client is not known at ${issuer} any more` };
    }
    if (status === 401) return mayStay(issuer);
    return stays(`it answered HTTP ${status}`);
  } catch (error) {
    if (!(error instanceof AuthdError)) throw error;
    return stays(error.message);
  }
}
