import type { Pool } from "pg";
import { StoreRefusal } from "../store-refusal.ts";
import { installation, MIGRATIONS, migrationsAfter } from "./migrations.ts";

/** SQLSTATE: what has to be made is there already, as another host makes the tables in this moment. */
const ALREADY = new Set(["23505", "42P06", "42P07", "42701"]);
/** SQLSTATE: the role may not make a schema, or change tables. */
const FORBIDDEN = "42501";

/**
 * Makes the tables if there are none, and brings those of an earlier authd up to date. Rejects with StoreRefusal if
 * they are of another version.
 */
export async function prepareSchema(pool: Pool): Promise<void> {
  const before = await versionOf(pool);
  const version = before === undefined ? await install(pool) : await update(pool, before);
  if (version === MIGRATIONS.length) return;
  const next =
    version > MIGRATIONS.length
      ? "they were made by a newer authd, so update authd"
      : "a database administrator brings them up to date with schemas/store.sql";
  throw new StoreRefusal(
    `The store's tables are of version ${version}, and this authd knows ${MIGRATIONS.length}: ${next}.`,
  );
}

/** Returns undefined if there are no tables. */
async function versionOf(pool: Pool): Promise<number | undefined> {
  const { rows } = await pool.query("SELECT to_regclass('authd.migration') IS NOT NULL AS there");
  if (!rows[0]?.there) return undefined;
  const { rows: found } = await pool.query("SELECT max(version) AS version FROM authd.migration");
  return found[0]?.version ?? 0;
}

async function install(pool: Pool): Promise<number> {
  if ((await run(pool, installation())) === FORBIDDEN) throw mayNotInstall();
  return (await versionOf(pool)) ?? 0;
}

async function update(pool: Pool, before: number): Promise<number> {
  if (before >= MIGRATIONS.length) return before;
  await run(pool, migrationsAfter(before));
  return (await versionOf(pool)) ?? before;
}

/** Resolves with the SQLSTATE of what was not done as it was done already, or may not be. */
async function run(pool: Pool, sql: string): Promise<string | undefined> {
  try {
    await pool.query(sql);
    return undefined;
  } catch (error) {
    const { code } = Object(error) as { code?: string };
    if (code === FORBIDDEN || ALREADY.has(code ?? "")) return code;
    throw error;
  }
}

function mayNotInstall(): StoreRefusal {
  return new StoreRefusal(
    "The store's database has no tables of authd, and its role may not make them: a database " +
      "administrator runs schemas/store.sql there once (docs/fleet.md).",
  );
}
