/**
 * Refuses addresses by which a server elsewhere would have authd ask this machine or its network (RFC 9728
 * section 7.7). A host name is not looked up: one that stands for such an address passes.
 */
import { BlockList, isIPv4, isIPv6 } from "node:net";
import { isLoopback } from "../../base/loopback.ts";

const PRIVATE = new BlockList();
for (const [address, prefix] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
] as const) {
  PRIVATE.addSubnet(address, prefix, "ipv4");
}
for (const [address, prefix] of [
  ["::", 127],
  ["fc00::", 7],
  ["fe80::", 10],
] as const) {
  PRIVATE.addSubnet(address, prefix, "ipv6");
}

/** True for this machine, and for an IP address that is not routed on the internet. */
function isPrivate({ hostname }: URL): boolean {
  const host = hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
  if (isLoopback(hostname) || host === "localhost" || host.endsWith(".localhost")) return true;
  if (isIPv4(host)) return PRIVATE.check(host, "ipv4");
  return isIPv6(host) && PRIVATE.check(host, "ipv6");
}

/** Returns why an address that a server has named is not asked, as the end of a sentence; undefined: it is. */
export function whyUnfitAddress(address: string, namedBy: URL): string | undefined {
  if (!URL.canParse(address)) return "is no URL";
  const url = new URL(address);
  if (url.protocol !== "https:" && url.protocol !== "http:") return "is no https: URL";
  if (url.username || url.password || url.hash)
    return "holds a user name, a password or a fragment";
  if (isPrivate(url) && !isPrivate(namedBy)) {
    return "is in this machine's own network, which a server elsewhere may not name";
  }
  // Plain http is for servers on loopback that name others there.
  const isPlain = url.protocol === "http:" && !isLoopback(url.hostname);
  return isPlain ? "is not https" : undefined;
}
