/** True for a host of loopback: plain http is for these only, where nobody listens in between. */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d+){3}$/.test(hostname);
}

/** True for a cloud's metadata service, which tells each machine its own: a proxy would be told the proxy's. */
export function isMetadataService(hostname: string): boolean {
  const isIpv4 = /^169\.254(\.\d+){2}$/.test(hostname);
  return isIpv4 || hostname.startsWith("[fd00:ec2::") || hostname === "metadata.google.internal";
}
