/** The container endpoint of the AWS SDKs (AWS_CONTAINER_CREDENTIALS_FULL_URI), on loopback, for who has its token. */
import { randomBytes, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { shellWord } from "../base/shell-word.ts";
import { AuthdError, errorCode, messageOf } from "../errors.ts";
import type { AwsKeys } from "./aws.ts";
import type { HelperCall } from "./helper.ts";

const PATH = "/credentials";

/** Serves until a signal ends it. Prints the variables for the SDKs, as a shell reads them. */
export async function serve(
  { env, write }: HelperCall,
  keys: () => Promise<AwsKeys>,
  options: readonly string[],
): Promise<number> {
  const port = portOf(options);
  const token = randomBytes(32).toString("base64url");
  const folder = mkdtempSync(join(env.XDG_RUNTIME_DIR || tmpdir(), "authd-aws-"));
  try {
    const file = join(folder, "token");
    writeFileSync(file, token, { mode: 0o600, flag: "wx" });
    const server = createServer(
      (request, response) => void respond(request, response, token, keys),
    );
    await listen(server, port);
    const { port: bound } = server.address() as AddressInfo;
    const uri = `http://127.0.0.1:${bound}${PATH}`;
    write(`export AWS_CONTAINER_CREDENTIALS_FULL_URI=${uri}\n`);
    write(`export AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=${shellWord(file)}\n`);
    await Promise.race(["SIGINT", "SIGTERM", "SIGHUP"].map((signal) => once(process, signal)));
    server.close();
    server.closeAllConnections();
    return 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function listen(server: Server, port: number): Promise<void> {
  server.listen(port, "127.0.0.1");
  await once(server, "listening").catch((cause) => {
    const why = errorCode(cause) ?? messageOf(cause);
    const text = `port ${port} can't be used (${why}): choose another by --port, or leave it out`;
    throw new AuthdError("request_failed", text, { cause });
  });
}

function portOf(args: readonly string[]): number {
  try {
    const { values } = parseArgs({ args: [...args], options: { port: { type: "string" } } });
    const port = Number(values.port ?? 0);
    if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  } catch {
    // Told below.
  }
  throw new AuthdError("invalid_params", "authd helper aws NAME --serve [--port N]");
}

async function respond(
  { method, url, headers }: IncomingMessage,
  response: ServerResponse,
  token: string,
  keys: () => Promise<AwsKeys>,
): Promise<void> {
  const end = (status: number, body: object) => {
    const type = { "content-type": "application/json", "cache-control": "no-store" };
    response.writeHead(status, type).end(JSON.stringify(body));
  };
  if (!isEqual(headers.authorization ?? "", token))
    return end(401, { code: "Unauthorized", message: "the token of the token file is missing" });
  if (method !== "GET" || url !== PATH)
    return end(404, { code: "NotFound", message: `GET ${PATH} is all that there is` });
  try {
    end(200, await keys());
  } catch (error) {
    end(500, { code: "CredentialsError", message: messageOf(error) });
  }
}

function isEqual(given: string, token: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(token)];
  return one.length === other.length && timingSafeEqual(one, other);
}
