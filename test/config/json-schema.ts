import { readFileSync } from "node:fs";
import test from "ava";
import {
  configJsonSchema,
  credentialJsonSchema,
  presetJsonSchema,
} from "../../src/config/json-schema.ts";
import { shippedPresets } from "../../src/config/presets.ts";
import { grants } from "../../src/grants/index.ts";

const shipped = (name: string): unknown =>
  JSON.parse(
    readFileSync(new URL(`../../../schemas/${name}.schema.json`, import.meta.url), "utf8"),
  );

test("schemas/*.json are what node scripts/schemas.mjs writes", (t) => {
  t.deepEqual(shipped("config"), configJsonSchema());
  t.deepEqual(shipped("credential"), credentialJsonSchema());
  t.deepEqual(shipped("preset"), presetJsonSchema());
});

test("every preset and every grant is a variant without secrets and without room for other keys", (t) => {
  const { oneOf } = credentialJsonSchema() as {
    oneOf: { title: string; properties: Record<string, unknown>; additionalProperties: boolean }[];
  };
  t.is(oneOf.length, shippedPresets().byName.size + Object.keys(grants).length);
  for (const { title, properties, additionalProperties } of oneOf) {
    t.false(additionalProperties, title);
    t.true("origins" in properties, title);
    for (const secret of ["client_secret", "password", "api_token", "api_key", "token"]) {
      t.false(secret in properties, `${title}: ${secret}`);
    }
  }
});
