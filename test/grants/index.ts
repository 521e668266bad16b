import test from "ava";
import * as z from "../../src/base/zod.ts";
import { grantNamed, grants } from "../../src/grants/index.ts";

test("the grants of the contract", (t) => {
  t.deepEqual(Object.keys(grants), [
    "client_credentials",
    "password",
    "refresh_token",
    "authorization_code",
    "device_code",
    "jwt_bearer",
    "token_exchange",
    "exchange",
    "static",
  ]);
});

test("an unknown grant is refused by name", (t) => {
  for (const name of ["implicit", "constructor", "__proto__"]) {
    t.throws(() => grantNamed(name), { message: new RegExp(`no grant "${name}"`) });
  }
});

test("every grant's settings can be described as a JSON Schema, each key in words", (t) => {
  for (const [name, { schema }] of Object.entries(grants)) {
    const { properties, additionalProperties } = z.toJSONSchema(schema, { io: "input" });
    t.false(additionalProperties, name);
    for (const [key, value] of Object.entries(properties ?? {})) {
      t.is(typeof (value as { description?: unknown }).description, "string", `${name}.${key}`);
    }
  }
});
