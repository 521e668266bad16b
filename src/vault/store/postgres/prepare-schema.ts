import type { Pool } from "pg";
import { StoreRefusal } from "../store-refusal.ts";
import { installation, MIGRATIONS } from "./migrations.ts";

/** SQLSTATE: what has to be made is there already, as another host makes the tables in this moment. */
const ALREADY = new Set(["23505", "42P06", "42P07"]);
/** SQLSTATE: the role may not make a schema. */
const FORBIDDEN = "42501";

/** Makes the tables if there are none. Rejects with StoreRefusal if they are of another version. */
export async function prepareSchema(pool: Pool): Promise<void> {
  const version = (await versionOf(pool)) ?? (await install(pool));
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
  try {
    await pool.query(installation());
  } catch (error) {
    const { code } = Object(error) as { code?: string };
    if (code === FORBIDDEN) throw mayNotInstall();
    if (!ALREADY.has(code ?? "")) throw error;
  }
  return (await versionOf(pool)) ?? 0;
}

function mayNotInstall(): StoreRefusal {
  return new StoreRefusal(
    "The store's database has no tables of authd, and its role may not make them: a database " +
      "administrator runs schemas/store.sql there once (docs/fleet.md).",
  );
}
