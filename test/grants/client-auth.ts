import test from "ava";
import { proveClient } from "../../src/grants/client-auth.ts";

/** Proves a client with these values. */
function prove(
  client_id: string | undefined,
  client_secret: string | undefined,
  client_auth?: Parameters<typeof proveClient>[0]["settings"]["client_auth"],
) {
  const settings = { ...(client_id && { client_id }), ...(client_auth && { client_auth }) };
  return proveClient({ settings, secrets: client_secret ? { client_secret } : {}, now: 0 });
}

const decoded = (authorization: string | undefined) =>
  Buffer.from((authorization ?? "").replace(/^Basic /, ""), "base64").toString();

test("basic form-encodes both parts (RFC 6749 2.3.1) and leaves - . _ ~ as they are", async (t) => {
  const { headers, form } = await prove("a:b c", "s%c/r+é-._~");
  t.is(decoded(headers?.authorization), "a%3Ab+c:s%25c%2Fr%2B%C3%A9-._~");
  t.is(form, undefined);
});

test("basic_raw encodes nothing", async (t) => {
  const { headers } = await prove("id", "s%c/r+é:x", "basic_raw");
  t.is(decoded(headers?.authorization), "id:s%c/r+é:x");
  await t.throwsAsync(() => prove("a:b", "s", "basic_raw"), { message: /colon/ });
});

test("post sends both in the form", async (t) => {
  t.deepEqual(await prove("id", "s", "post"), { form: { client_id: "id", client_secret: "s" } });
});

test("+post adds the client id, not the secret, to the form", async (t) => {
  for (const method of ["basic+post", "basic_raw+post"] as const) {
    const { headers, form } = await prove("id", "s", method);
    t.is(decoded(headers?.authorization), "id:s");
    t.deepEqual(form, { client_id: "id" });
  }
});

test("without a secret the client only names itself; without an id there is nothing to say", async (t) => {
  t.deepEqual(await prove("id", undefined), { form: { client_id: "id" } });
  t.deepEqual(await prove("id", "s", "none"), { form: { client_id: "id" } });
  t.deepEqual(await prove(undefined, undefined), {});
  await t.throwsAsync(() => prove("id", undefined, "post"), { message: /needs a client_secret/ });
});
