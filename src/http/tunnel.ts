import * as http from "node:http";
import * as https from "node:https";
import { isIP, type Socket } from "node:net";
import { type SecureContext, connect as secure } from "node:tls";
import type { buildConnector } from "undici";
import { MAX_INTERIM_RESPONSES } from "./head-filter.ts";

export interface TunnelTls {
  rejectUnauthorized: true;
  /** Milliseconds that the proxy has to connect. */
  timeout: number;
  secureContext?: SecureContext;
}

/**
 * Connects through an HTTP proxy's CONNECT (RFC 9110 section 9.3.6), TLS to the target inside.
 * undici's own ProxyAgent connects again and again, without end, to a proxy that hangs up.
 */
export function tunnelThrough(
  proxy: URL,
  tls: TunnelTls,
  ALPNProtocols: string[],
): buildConnector.connector {
  return ({ hostname, port, protocol, servername }, callback) => {
    const done = once(callback);
    const address = hostname.includes(":") ? `[${hostname}]` : hostname;
    const target = `${address}:${port || (protocol === "https:" ? 443 : 80)}`;
    const request = (proxy.protocol === "https:" ? https : http).request({
      ...tls,
      agent: false,
      host: proxy.hostname.replace(/^\[|\]$/g, ""),
      port: proxy.port,
      method: "CONNECT",
      path: target,
      headers: { host: target, ...authorization(proxy) },
    });
    request.once("error", (error) => done(proxyFailure(error), null));
    request.once("timeout", () => request.destroy(proxyError("it does not answer")));
    // Each restarts the time limit.
    let interimResponses = 0;
    request.on("information", () => {
      interimResponses++;
      if (interimResponses > MAX_INTERIM_RESPONSES)
        request.destroy(proxyError("it does not answer"));
    });
    request.once("connect", (response, socket) => {
      socket.setTimeout(0);
      const { statusCode = 0 } = response;
      if (statusCode < 200 || statusCode > 299) {
        socket.destroy();
        return done(proxyError(`it answers ${statusCode}`, codeOf(statusCode)), null);
      }
      if (protocol !== "https:") return done(null, socket as Socket);
      const name = servername || (isIP(hostname) ? undefined : hostname);
      const inner = secure({
        ...tls,
        ALPNProtocols,
        ...(name ? { servername: name } : {}),
        socket,
        host: hostname,
      });
      const giveUp = () => inner.destroy(proxyError("it lets nothing through"));
      inner.once("timeout", giveUp);
      inner.once("secureConnect", () => {
        inner.setTimeout(0).off("timeout", giveUp);
        done(null, inner);
      });
      inner.once("error", (error) => done(error, null));
    });
    request.end();
  };
}

function authorization({ username, password }: URL): Record<string, string> {
  if (username === "" && password === "") return {};
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { "proxy-authorization": `Basic ${Buffer.from(pair).toString("base64")}` };
}

function proxyError(what: string, code = "ERR_PROXY"): Error {
  return Object.assign(new Error(what), { code, syscall: "connect" });
}

/** Returns the error for a proxy that can't be reached: its code alone would seem to be the target's. */
function proxyFailure(error: NodeJS.ErrnoException): Error {
  return error.code?.startsWith("ERR_PROXY") ? error : proxyError(error.code ?? "no connection");
}

/** Returns the `code` for the status of a proxy that opens no tunnel. */
function codeOf(status: number): string {
  if (status === 407) return "ERR_PROXY_AUTHENTICATION";
  if (status === 502 || status === 503 || status === 504) return "ERR_PROXY_GATEWAY";
  return status >= 400 && status < 500 ? "ERR_PROXY_REFUSED" : "ERR_PROXY";
}

/** Calls `callback` once: later errors are handled by undici, which has the connection by then. */
function once(callback: buildConnector.Callback): buildConnector.Callback {
  let called = false;
  return (...args) => {
    if (called) return;
    called = true;
    callback(...args);
  };
}
