/** Opens connections: directly or through the proxy, with HTTP/1.1, or with HTTP/2 where a server speaks nothing else. */
import { lookup } from "node:dns";
import type { LookupFunction } from "node:net";
import type { buildConnector } from "undici";
import { isLoopback } from "../base/loopback.ts";
import { errorCode } from "../errors.ts";
import { type TunnelTls, tunnelThrough } from "./tunnel.ts";

export type Connector = buildConnector.connector;

/** Returns a connector. `build` is undici's. */
export function createConnector(
  build: typeof buildConnector,
  proxy: string | undefined,
  tls: TunnelTls,
): Connector {
  const offering = (allowH2: boolean): Connector =>
    proxy === undefined
      ? build({ ...tls, lookup: resolve, autoSelectFamily: true, allowH2 })
      : tunnelThrough(new URL(proxy), tls, allowH2 ? ["http/1.1", "h2"] : ["http/1.1"]);
  return withHttp2Fallback(offering(false), offering(true));
}

/**
 * Offers HTTP/1.1 alone, whose ways of failing are few, and HTTP/2 beside it to servers that end the TLS handshake
 * for want of it (RFC 7301 section 3.2). Nothing of a request has been sent by then.
 */
function withHttp2Fallback(http1: Connector, http2: Connector): Connector {
  const servers = new Set<string>();
  return (options, done) => {
    const server = `${options.hostname}:${options.port}`;
    if (servers.has(server)) return http2(options, done);
    return http1(options, (...result) => {
      const [error] = result;
      if (!/NO_APPLICATION_PROTOCOL/.test(errorCode(error) ?? "")) return done(...result);
      servers.add(server);
      http2(options, done);
    });
  };
}

/** Resolves names; `localhost`, the one name that plain http is sent to, only to this machine, whatever the resolver says. */
const resolve: LookupFunction = (name, options, done) => {
  if (name !== "localhost") return lookup(name, options, done);
  lookup(name, { ...options, all: true }, (error, found = []) => {
    const here = found.filter(({ address }) => isLoopback(address) || address === "::1");
    const [first] = here;
    if (error || !first) return done(error ?? elsewhere(), options.all ? [] : "", 0);
    if (options.all) done(null, here);
    else done(null, first.address, first.family);
  });
};

function elsewhere(): NodeJS.ErrnoException {
  const error = new Error("localhost is not this machine, says the resolver");
  return Object.assign(error, { code: "ENOTFOUND", syscall: "getaddrinfo" });
}
