/** A practice issuer that can go down in every way, and that counts what reaches it. */
import { once } from "node:events";
import * as http from "node:http";
import * as https from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Certificate } from "../../test/helpers/certificates.ts";

/** How long a token request takes it, ms. */
const WORK = 5;

/** A token whose answer left whole. Wall clock, ms. */
export interface Given {
  text: string;
  askedAt: number;
  expiresAt: number;
}

/** What it does instead of giving a token; `body` is the answer as it would have been. */
export type Fault = (response: http.ServerResponse, body: string) => void;

export class OutageIssuer {
  /** Of its tokens from now on, ms. */
  lifetime: number;
  /** Undefined while it works. */
  fault: Fault | undefined;
  /** The newest of each client id. */
  readonly given = new Map<string, Given>();
  /** Every token request that arrived whole, by client id: wall clock, ms. */
  readonly arrivals = new Map<string, number[]>();
  connections = 0;
  /** Most token requests that it worked on at once. */
  peak = 0;
  readonly #server: http.Server | https.Server;
  readonly #sockets = new Set<Socket>();
  #port = 0;
  #busy = 0;
  #count = 0;

  /** It speaks https with a certificate. */
  constructor(lifetime: number, certificate?: Certificate) {
    this.lifetime = lifetime;
    const serve: http.RequestListener = (request, response) => {
      response.on("error", () => {});
      this.#serve(request, response).catch(() => response.destroy());
    };
    this.#server = certificate ? https.createServer(certificate, serve) : http.createServer(serve);
    this.#server.on("connection", (socket: Socket) => {
      this.connections++;
      this.#sockets.add(socket);
      socket.on("error", () => {}).once("close", () => this.#sockets.delete(socket));
    });
    this.#server.on("tlsClientError", () => {});
  }

  get port(): number {
    return this.#port;
  }

  /** On the same port as before. */
  async listen(): Promise<void> {
    this.#server.listen(this.#port, "127.0.0.1");
    await once(this.#server, "listening");
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Nobody listens any more, and who was connected is not. */
  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.disconnect();
    await closed;
  }

  disconnect(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** For connections from now on. */
  present(certificate: Certificate): void {
    (this.#server as https.Server).setSecureContext(certificate);
  }

  async #serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    let body = "";
    for await (const chunk of request.setEncoding("utf8")) body += chunk;
    const client = new URLSearchParams(body).get("client_id") ?? "";
    const askedAt = Date.now();
    const arrived = this.arrivals.get(client);
    if (arrived) arrived.push(askedAt);
    else this.arrivals.set(client, [askedAt]);
    const text = `practice-${client}-${++this.#count}`;
    const { lifetime } = this;
    const expiresIn = lifetime / 1_000;
    const answer = JSON.stringify({
      access_token: text,
      token_type: "Bearer",
      expires_in: expiresIn,
    });
    if (this.fault) {
      this.fault(response, answer);
      return;
    }
    this.peak = Math.max(this.peak, ++this.#busy);
    await sleep(WORK);
    this.#busy--;
    if (response.destroyed) return;
    const given = { text, askedAt, expiresAt: askedAt + lifetime };
    response.once("finish", () => this.given.set(client, given));
    response.writeHead(200, { "content-type": "application/json" }).end(answer);
  }
}
