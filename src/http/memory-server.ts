import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import type { Connector } from "./connector.ts";

/** Returns a connector of connections that reach no network: the first bytes of each request are answered with `json`. */
export function memoryServer(json: object): Connector {
  const body = JSON.stringify(json);
  const head = [
    "HTTP/1.1 200 OK",
    "content-type: application/json",
    `content-length: ${body.length}`,
  ];
  const answer = [...head, "", body].join("\r\n");
  return (_, done) => {
    const connection = new Duplex({
      read() {},
      write(_bytes, _encoding, written) {
        written();
        setImmediate(() => connection.push(answer));
      },
    });
    // Of a socket's methods undici calls these, too.
    const methods = { ref: () => connection, unref: () => connection };
    const socket = Object.assign(connection, methods) as unknown as Socket;
    // undici counts on connections that take a moment.
    setImmediate(() => done(null, socket));
  };
}
