import type { ClientBase } from "pg";
import type { Replacement } from "../store.ts";
import * as queries from "./queries.ts";

/** Replaces everything within the client's transaction. Resolves with false if it must be undone. */
export async function replaceAll(
  client: ClientBase,
  { holder, from, to, hosts, records, keepsVersions = false, unlessSpending = false }: Replacement,
): Promise<boolean> {
  const { rows } = await client.query(queries.REPLACE_KEY, [from ?? null, to ?? null]);
  const change: number | undefined = rows[0]?.change;
  if (change === undefined) return false;
  const staying = hosts.map(({ name }) => name);
  await client.query(queries.NO_MEMBERS, [staying]);
  await client.query(queries.NO_INVITES);
  for (const { name, publicKey, wrappedKey } of hosts) {
    await client.query(queries.PUT_MEMBER, [name, publicKey, wrappedKey]);
  }
  const columns = [
    records.map(({ name }) => name),
    records.map(({ version }) => version),
    records.map(({ payload }) => payload ?? null),
  ];
  const put = await client.query(queries.REPLACE_RECORDS, [
    ...columns,
    holder,
    change,
    keepsVersions,
    staying,
    unlessSpending,
  ]);
  if (put.rowCount !== records.length) return false;
  const { rowCount: leftOut } = await client.query(queries.LEFT_OUT, [change]);
  return leftOut === 0;
}
