import test from "ava";
import * as z from "../../src/base/zod.ts";

const jsonSchema = (schema: z.ZodMiniType) => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: "input" });
  return rest;
};

test("a description is that of one schema alone", (t) => {
  const port = z.int().check(z.minimum(1), z.maximum(9));
  const described = z.described(port, "The port");
  const again = z.described(described, "Another port");
  const bare = { type: "integer", minimum: 1, maximum: 9 };
  t.deepEqual(jsonSchema(port), bare);
  t.deepEqual(jsonSchema(described), { ...bare, description: "The port" });
  t.deepEqual(jsonSchema(again), { ...bare, description: "Another port" });
  t.deepEqual(jsonSchema(z.object({ port: z.optional(again) })).properties, {
    port: { ...bare, description: "Another port" },
  });
});

test("a described schema checks as before", (t) => {
  const short = z.described(z.string().check(z.maxLength(2, "is long")), "A short text");
  t.is(short.parse("ab"), "ab");
  t.is(short.safeParse("abc").error?.issues[0]?.message, "is long");
});

test("mistakes are told in English", (t) => {
  const messageFor = (schema: z.ZodMiniType, value: unknown) =>
    schema.safeParse(value).error?.issues[0]?.message;
  t.is(messageFor(z.string(), 1), "Invalid input: expected string, received number");
  t.is(messageFor(z.nonEmpty, ""), "Too small: expected string to have >=1 characters");
  t.is(messageFor(z.strictObject({}), { a: 1 }), 'Unrecognized key: "a"');
  t.is(messageFor(z.enum(["a", "b"]), "c"), 'Invalid option: expected one of "a"|"b"');
});
