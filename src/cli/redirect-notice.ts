/** Tells of an answer that redirects to an origin where nothing was fetched. */
import type { AuthorizedResponse } from "../protocol.ts";
import { plain } from "./style.ts";

type Head = Pick<AuthorizedResponse, "status" | "headers" | "url">;

/** Returns the other origin that an answer redirects to; undefined if it does not. */
export function otherOrigin({ status, headers, url }: Head): string | undefined {
  const { location } = headers;
  if (status < 300 || status > 399 || typeof location !== "string") return undefined;
  if (!URL.canParse(location, url)) return undefined;
  const { origin, protocol } = new URL(location, url);
  const name = origin === "null" ? protocol : origin;
  return name === new URL(url).origin ? undefined : name;
}

/** Returns what a person is told about it. */
export function redirectNotice(credential: string, { status }: Head, origin: string): string {
  const to = plain(origin);
  return `authd: ${credential}: HTTP ${status} redirects to ${to}, from where nothing was fetched, as the token may not go there. To fetch it without the token: authd set ${credential} --set follow=${to}\n`;
}
