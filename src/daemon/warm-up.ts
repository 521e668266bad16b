import { generateKeyPairSync } from "node:crypto";
import { isInterpreter } from "../base/interpreter.ts";
import { grants } from "../grants/index.ts";
import { createHttp } from "../http/http.ts";
import { createIssuerSend } from "../http/issuer.ts";
import { memoryServer } from "../http/memory-server.ts";
import { checkedGetToken } from "../rpc/dispatcher.ts";

const ANSWER = { access_token: "none", token_type: "Bearer", expires_in: 60 };
const NAME = "warm-up";

/**
 * Obtains a token from an issuer in memory: loads undici and has V8 compile what the first request for a token runs,
 * for which its caller would else wait some milliseconds. Rejects if that can't be done.
 */
export async function warmUp(): Promise<void> {
  checkedGetToken({ credential: NAME });
  isInterpreter(NAME);
  const http = createHttp({ connect: memoryServer(ANSWER) });
  const grant = grants.client_credentials;
  const settings = grant.schema.parse({
    client_id: NAME,
    client_auth: "private_key_jwt",
    algorithm: "ES256",
    token_url: "https://localhost/token",
  });
  try {
    await grant.acquire({
      settings,
      credential: NAME,
      fields: {},
      secrets: { key: newKey() },
      held: [],
      rejectedOn: [],
      now: Date.now(),
      send: createIssuerSend({ http, credential: NAME, allowInsecureHttp: false }),
    });
  } finally {
    await http.close();
  }
}

function newKey(): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return String(privateKey.export({ type: "pkcs8", format: "pem" }));
}
