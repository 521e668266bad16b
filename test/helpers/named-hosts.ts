/** HTTPS servers under public names, for a daemon on this machine alone: reached through a proxy, trusted by a CA of their own. */
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { type Handler, startApi } from "./api.ts";
import { createAuthority } from "./certificates.ts";
import type { Scope } from "./scope.ts";

interface NamedHosts {
  /** For `proxy` in config.toml. */
  proxy: string;
  /** PEM text, for `ca_file`. */
  ca: string;
  /** The host of each request, and its path, in order. */
  seen: { host: string; path: string; headers: IncomingMessage["headers"] }[];
}

/** Serves hosts by name until the test ends; a name without a handler is unknown. */
export async function startNamedHosts(
  t: Scope,
  hosts: Readonly<Record<string, Handler>>,
): Promise<NamedHosts> {
  const authority = createAuthority();
  const seen: NamedHosts["seen"] = [];
  const api = await startApi(
    t,
    (request, response) => {
      const host = request.headers.host ?? "";
      seen.push({ host, path: request.url, headers: request.headers });
      return hosts[host]?.(request, response);
    },
    authority.issue(...Object.keys(hosts)),
  );
  const proxy = createServer();
  const sockets = new Set<Socket>();
  proxy.on("connect", ({ url = "" }: IncomingMessage, client: Socket) => {
    const isKnown = Object.hasOwn(hosts, url.replace(/:443$/, ""));
    sockets.add(client);
    client.on("error", () => {});
    if (!isKnown) {
      client.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
      return;
    }
    const server = connect(api.port, "127.0.0.1", () => {
      client.write("HTTP/1.1 200 OK\r\n\r\n");
      client.pipe(server).pipe(client);
    });
    server.on("error", () => client.destroy());
    client.on("close", () => server.destroy());
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    proxy.close();
  });
  const { port } = proxy.address() as AddressInfo;
  return { proxy: `http://127.0.0.1:${port}`, ca: authority.ca, seen };
}
