import test from "ava";
import { proveClient } from "../../src/grants/client-auth.ts";

const decoded = (authorization: string | undefined) =>
  Buffer.from((authorization ?? "").replace(/^Basic /, ""), "base64").toString();

test("basic form-encodes both parts (RFC 6749 2.3.1) and leaves - . _ ~ as they are", (t) => {
  const { headers, form } = proveClient("a:b c", "s%c/r+é-._~");
  t.is(decoded(headers?.authorization), "a%3Ab+c:s%25c%2Fr%2B%C3%A9-._~");
  t.is(form, undefined);
});

test("basic_raw encodes nothing", (t) => {
  const { headers } = proveClient("id", "s%c/r+é:x", "basic_raw");
  t.is(decoded(headers?.authorization), "id:s%c/r+é:x");
  t.throws(() => proveClient("a:b", "s", "basic_raw"), { message: /colon/ });
});

test("post sends both in the form", (t) => {
  t.deepEqual(proveClient("id", "s", "post"), { form: { client_id: "id", client_secret: "s" } });
});

test("+post adds the client id, not the secret, to the form", (t) => {
  for (const method of ["basic+post", "basic_raw+post"] as const) {
    const { headers, form } = proveClient("id", "s", method);
    t.is(decoded(headers?.authorization), "id:s");
    t.deepEqual(form, { client_id: "id" });
  }
});

test("without a secret the client only names itself; without an id there is nothing to say", (t) => {
  t.deepEqual(proveClient("id", undefined), { form: { client_id: "id" } });
  t.deepEqual(proveClient("id", "s", "none"), { form: { client_id: "id" } });
  t.deepEqual(proveClient(undefined, undefined), {});
  t.throws(() => proveClient("id", undefined, "post"), { message: /needs a client_secret/ });
});
