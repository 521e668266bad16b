/** Issuers: whatever one answers, there is a token that can be used or an error that gives nothing away. */
import { once } from "node:events";
import * as net from "node:net";
import { inspect } from "node:util";
import fc from "fast-check";
import type { Credential } from "../../src/credential/credential.ts";
import { AuthdError } from "../../src/errors.ts";
import type { Scope } from "../helpers/scope.ts";
import { startTestRegistry, type TestRegistry } from "../helpers/test-registry.ts";
import { type Answer, answer, basicOf, bytesOf, GOOD_TOKEN, MARK } from "./answers.ts";
import { type Checkable, demand, type Property } from "./property.ts";

export const issuers: readonly Property[] = [
  { name: "issuers-answers", runs: 60, start: anyAnswer },
];

/** Long and mixed enough to be found in any text, and different when encoded. */
const SECRET = "practice secret/of+the&user";
const REASONS = new Set(["issuer_unavailable", "credential_rejected", "login_required", "timeout"]);

const client = { client_id: "app" };
const places = { request: { form: { key: "{secret.api_token}" } }, secrets: ["api_token"] };

/** Every way to a token that asks an issuer, by the `token_url` of which nothing else is known. */
const WAYS: Record<string, (url: string) => { file: object; secrets: Record<string, string> }> = {
  basic: (token_url) => ({
    file: { grant: "client_credentials", token_url, ...client },
    secrets: { client_secret: SECRET },
  }),
  post: (token_url) => ({
    file: { grant: "client_credentials", token_url, ...client, client_auth: "post" },
    secrets: { client_secret: SECRET },
  }),
  password: (token_url) => ({
    file: { grant: "password", token_url, username: "me" },
    secrets: { password: SECRET, otp_secret: "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" },
  }),
  refresh_token: (token_url) => ({
    file: { grant: "refresh_token", token_url },
    secrets: { refresh_token: SECRET },
  }),
  pointer: (url) => ({
    file: {
      ...{ grant: "exchange", ...places, request: { ...places.request, url } },
      response: { token: "/access_token", expires_in: "/expires_in", token_type: "/token_type" },
    },
    secrets: { api_token: SECRET },
  }),
  deadline: (url) => ({
    file: {
      ...{ grant: "exchange", ...places, request: { json: "{secret.api_token}", url } },
      response: { token: "/access_token", expires_at: "/expires_in" },
    },
    secrets: { api_token: SECRET },
  }),
  text: (url) => ({
    file: {
      ...{ grant: "exchange", ...places, request: { ...places.request, url } },
      response: { token: "text" },
    },
    secrets: { api_token: SECRET },
  }),
  header: (url) => ({
    file: {
      ...{ grant: "exchange", ...places, request: { ...places.request, url } },
      response: { token: "header:X-Token" },
    },
    secrets: { api_token: SECRET },
  }),
  realtyna: (token_url) => ({
    file: { preset: "realtyna", token_url, api_url: token_url, ...client },
    secrets: { client_secret: SECRET, api_key: "practice-key" },
  }),
};

async function anyAnswer(scope: Scope): Promise<Checkable> {
  const engine = await startTestRegistry(scope);
  const issuer = await startRawIssuer(scope);
  const way = fc.constantFrom(...Object.keys(WAYS));
  let count = 0;
  return fc.asyncProperty(way, answer(SECRET), async (way, odd) => {
    const { file, secrets } = WAYS[way]!(issuer.url);
    const name = `fuzz-${++count}`;
    const credential = await engine.add(name, { ...file }, secrets);
    // A one-time code is not sent twice.
    const nextCode = () => engine.clock.suspend(30_000);
    try {
      issuer.reply = bytesOf(odd);
      nextCode();
      await isTokenOrError(credential, engine, secrets);
      nextCode();
      issuer.reply = bytesOf(good(way, engine.clock.wall()));
      await credential.refresh(60_000);
      const { accessToken } = await credential.token({});
      demand(accessToken === GOOD_TOKEN, "a good answer's token is not the one that is served");
      // After an answer with a longer life, a good one brings no later expiry, and is tried again.
      const { state, lastError } = credential.info();
      const isShorter = /no later expiry/.test(lastError?.message ?? "");
      demand(state === "ready" || isShorter, `state ${state} after a good answer`);
    } finally {
      engine.registry.delete(name);
      await engine.vault.remove(name);
      engine.events.length = 0;
    }
  });
}

/** With the issuer's right time: an answer before may have come from a clock of the next century. */
const good = (way: string, now: number): Answer => ({
  status: 200,
  headers: [
    ["X-Token", GOOD_TOKEN],
    ["Date", new Date(now).toUTCString()],
  ],
  encoding: "none",
  framing: "length",
  body: Buffer.from(
    way === "text"
      ? GOOD_TOKEN
      : `{"access_token":"${GOOD_TOKEN}","token_type":"Bearer","expires_in":4000000000}`,
  ),
});

async function isTokenOrError(
  credential: Credential,
  { events, errors }: TestRegistry,
  secrets: Record<string, string>,
): Promise<void> {
  let told: unknown;
  try {
    await credential.refresh(60_000);
    const { answer } = await credential.token({});
    const { accessToken, expiresAt } = answer;
    demand(/^[\x20-\x7e\xa0-\xff]+$/.test(accessToken), "the token fits no header");
    demand(expiresAt === null || Number.isSafeInteger(expiresAt), `expiresAt ${expiresAt}`);
  } catch (error) {
    demand(error instanceof AuthdError, `not one of our errors: ${inspect(error)}`);
    demand(REASONS.has(error.reason), `${error.reason}: ${error.message}`);
    demand(/\S/.test(error.message) && error.message.length < 1_000, "a message of that length");
    // With its cause, and all that hangs on it.
    told = inspect(error, { depth: 10 });
  }
  const said = [told, JSON.stringify(credential.info()), JSON.stringify(events), errors.join("\n")];
  const all = said.join("\n");
  const hidden = Object.values(secrets).flatMap((one) => {
    const encoded = (["hex", "base64", "base64url"] as const).map((way) =>
      Buffer.from(one).toString(way).replace(/=+$/, ""),
    );
    return [one, encodeURIComponent(one), ...encoded];
  });
  for (const one of [...hidden, basicOf(SECRET), MARK]) {
    demand(!all.includes(one), `it gives away ${one}: ${all}`);
  }
}

/** A server that takes one request a connection and answers with these very bytes. */
async function startRawIssuer(scope: Scope) {
  const issuer: { url: string; reply: Uint8Array } = { url: "", reply: Buffer.alloc(0) };
  const server = net.createServer((socket) => {
    let request = "";
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      request += chunk.toString("latin1");
      const end = request.indexOf("\r\n\r\n");
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(request)?.[1] ?? 0);
      if (end !== -1 && request.length >= end + 4 + length) socket.end(issuer.reply);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  scope.teardown(() => void server.close());
  issuer.url = `http://127.0.0.1:${(server.address() as net.AddressInfo).port}/token`;
  return issuer;
}
