/** Names the address of a request in messages. */
import { showable } from "./showable.ts";

/**
 * Returns the host and path of a URL, without the path if it may hold one of `hidden` (an exchange can put a
 * secret there) or another token. The query is never shown.
 */
export function endpointOf(address: string | URL, hidden: readonly string[]): string {
  const { host, pathname } = new URL(address);
  if (pathname === "/") return host;
  // By the parts of the path, as a long path alone looks like a token.
  const isShown = pathname
    .split("/")
    .every((part) => part === "" || showable(part, hidden) === part);
  return isShown && showable(pathname.replaceAll("/", " "), hidden) !== undefined
    ? `${host}${pathname}`
    : host;
}
