import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** Answers a request; resolves when the response is ended. Never rejects. */
type Answer = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/**
 * Has a server answer with `answer`, and holds at most so many connections. One too many ends the connection that
 * has waited longest for its client, to ask or to take the answer: whoever may connect could otherwise keep all others
 * out with connections that do nothing. A request that is being answered is left alone.
 */
export function answerFew(server: Server, most: number, answer: Answer): void {
  const open = new Set<Socket>();
  /** Those that wait for their client, in the order in which they began to. */
  const waiting = new Set<Socket>();
  const forget = (socket: Socket) => {
    open.delete(socket);
    waiting.delete(socket);
  };
  server.on("connection", (socket: Socket) => {
    open.add(socket);
    waiting.add(socket);
    socket.once("close", () => forget(socket));
    if (open.size <= most) return;
    const [longest = socket] = waiting;
    forget(longest);
    longest.destroy();
  });
  server.on("request", (request, response) => {
    const { socket } = request;
    waiting.delete(socket);
    void answer(request, response).then(() => {
      if (open.has(socket)) waiting.add(socket);
    });
  });
}
