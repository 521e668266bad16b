/** Listens on a port of loopback with room for hardly anybody, until it is stopped. */
import * as net from "node:net";
import { ready } from "../helpers/ready.ts";

const server = net.createServer();
server.listen({ port: Number(process.argv[2]), host: "127.0.0.1", backlog: 1 }, () => ready(""));
