import test from "ava";
import { HeldAnswers } from "../helpers/held-answers.ts";
import { startIssuer } from "../helpers/issuer.ts";
import { startTestRegistry } from "../helpers/test-registry.ts";
import { until } from "../helpers/until.ts";

const SECOND = 1_000;

test("a caller whose token ends while it waits, as the machine sleeps, gets the one that is on its way", async (t) => {
  const answer = (token: string) => ({ access_token: token, token_type: "bearer", expires_in: 60 });
  const issuer = await startIssuer(t, { json: answer("token-1") });
  const engine = await startTestRegistry(t);
  const credential = await engine.add(
    "demo",
    { grant: "client_credentials", token_url: issuer.url, client_id: "app" },
    { client_secret: "not-so-secret" },
  );
  await credential.token({});
  const held = new HeldAnswers();
  issuer.answer(held.answer);
  engine.clock.advance(57 * SECOND);
  const asked = credential.token({});
  await until(() => issuer.requests.length === 2);
  engine.clock.suspend(10 * SECOND);
  engine.clock.advance(5 * SECOND);
  await new Promise((resolve) => setTimeout(resolve, 20));
  held.release(answer("token-2"));
  t.is((await asked).accessToken, "token-2");
});
