import { format, inspect } from "node:util";
import test from "ava";
import { connect } from "../../src/client.ts";
import { startWire } from "../helpers/wire.ts";

test("what prints a token shows none; its members and its JSON stay as they are", async (t) => {
  const { path } = await startWire(t);
  const client = connect({ socket: path });
  t.teardown(() => client.close());
  const token = await client.getToken({ credential: "hidden" });
  const shown =
    inspect({ token, tokens: [token] }, { depth: 9 }) + format("%o %O %s", token, token);
  t.notRegex(shown, /hidden/);
  t.regex(shown, /tokenType/);
  t.is(token.accessToken, "hidden");
  t.is(JSON.parse(JSON.stringify(token)).accessToken, "hidden");
  t.is({ ...token }.headers.authorization, "Bearer hidden");
});
