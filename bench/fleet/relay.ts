/** An address that goes to one server now and to another one later, as that of a database that is moved. */
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

export class Relay {
  /** Port of loopback to which connections go; undefined: they are refused. */
  target: number | undefined;
  /** In both directions. */
  bytes = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(target: number | undefined) {
    this.target = target;
    this.#server = createServer((socket) => this.#onConnection(socket));
  }

  static async start(address: string, port: number, target: number | undefined): Promise<Relay> {
    const relay = new Relay(target);
    relay.#server.listen(port, address);
    await once(relay.#server, "listening");
    return relay;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  /** Ends all connections; new ones go to `target`. */
  move(target: number | undefined): void {
    this.target = target;
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.move(undefined);
    this.#server.close();
  }

  #onConnection(client: Socket): void {
    if (this.target === undefined) return void client.destroy();
    const server = connect(this.target, "127.0.0.1");
    const pair = [client, server];
    for (const socket of pair) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket
        .on("error", () => {})
        .on("data", ({ length }) => {
          this.bytes += length;
        });
      socket.once("close", () => {
        this.#sockets.delete(socket);
        for (const other of pair) other.destroy();
      });
    }
    client.pipe(server).pipe(client);
  }
}
