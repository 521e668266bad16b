/**
 * Refuses addresses by which a server elsewhere would have authd ask this machine or its network (RFC 9728
 * section 7.7). A host name is not looked up: one that stands for such an address passes.
 */
import { BlockList, isIPv4, isIPv6 } from "node:net";
import { isLoopback } from "../../base/loopback.ts";

const THIS_MACHINE = new BlockList();
THIS_MACHINE.addSubnet("0.0.0.0", 8, "ipv4");
THIS_MACHINE.addSubnet("127.0.0.0", 8, "ipv4");
THIS_MACHINE.addSubnet("::", 127, "ipv6");

const PRIVATE = new BlockList();
for (const [address, prefix] of [
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  // Multicast, reserved addresses and broadcast.
  ["224.0.0.0", 3],
] as const) {
  PRIVATE.addSubnet(address, prefix, "ipv4");
}
for (const [address, prefix] of [
  ["fc00::", 7],
  ["fe80::", 10],
  ["ff00::", 8],
  // IPv4 addresses in IPv6 ones (RFC 6052, RFC 8215, RFC 3056), private ones among them.
  ["64:ff9b::", 96],
  ["64:ff9b:1::", 48],
  ["2002::", 16],
] as const) {
  PRIVATE.addSubnet(address, prefix, "ipv6");
}

function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
}

function isThisMachine(url: URL): boolean {
  const host = hostOf(url);
  const isNamed = host === "localhost" || host.endsWith(".localhost");
  return isNamed || isLoopback(url.hostname) || isInSubnet(host, THIS_MACHINE);
}

/** True for this machine, and for an IP address that is not routed on the internet. */
function isPrivate(url: URL): boolean {
  return isThisMachine(url) || isInSubnet(hostOf(url), PRIVATE);
}

function isInSubnet(host: string, list: BlockList): boolean {
  if (isIPv4(host)) return list.check(host, "ipv4");
  return isIPv6(host) && list.check(host, "ipv6");
}

/** Returns why an address that a server has named is not asked, as the end of a sentence; undefined: it is. */
export function whyUnfitAddress(address: string, namedBy: URL): string | undefined {
  if (!URL.canParse(address)) return "is no URL";
  const url = new URL(address);
  if (url.protocol !== "https:" && url.protocol !== "http:") return "is no https: URL";
  if (url.username || url.password || url.hash)
    return "holds a user name, a password or a fragment";
  // A server in this network may name others there, but not this machine.
  const isNear = isThisMachine(url) ? isThisMachine(namedBy) : isPrivate(namedBy);
  if (isPrivate(url) && !isNear) {
    return "is in this machine's own network, which a server elsewhere may not name";
  }
  // Plain http is for servers on loopback that name others there.
  const isPlain = url.protocol === "http:" && !isLoopback(url.hostname);
  return isPlain ? "is not https" : undefined;
}
