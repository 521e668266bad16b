// Writes schemas/*.json and store.sql out of the compiled schemas; tests say when they are out of date.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  configJsonSchema,
  credentialJsonSchema,
  presetJsonSchema,
} from "../dist/src/config/json-schema.js";
import { storeSql } from "../dist/src/vault/store/postgres/migrations.js";
import { root } from "./setup.mjs";

const folder = join(root, "schemas");
mkdirSync(folder, { recursive: true });
for (const [name, schema] of [
  ["config", configJsonSchema()],
  ["credential", credentialJsonSchema()],
  ["preset", presetJsonSchema()],
]) {
  writeFileSync(join(folder, `${name}.schema.json`), `${JSON.stringify(schema, null, 2)}\n`);
}
writeFileSync(join(folder, "store.sql"), storeSql());
