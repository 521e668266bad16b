/** A store on a real PostgreSQL: the contract, directly and through PgBouncer; its tables, roles and TLS. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { AuthdError } from "../../src/errors.ts";
import { StoreRefusal } from "../../src/vault/store/index.ts";
import { MIGRATIONS, storeSql } from "../../src/vault/store/postgres/migrations.ts";
import { PostgresStore } from "../../src/vault/store/postgres/postgres-store.ts";
import type { ServerAddress } from "../../src/vault/store/postgres/server-address.ts";
import { createAuthority } from "../helpers/certificates.ts";
import { startPgBouncer } from "../helpers/pgbouncer.ts";
import { type Postgres, startPostgres } from "../helpers/postgres.ts";
import { FileScope } from "../helpers/scope.ts";
import { ROOT } from "../helpers/sources.ts";
import { STORE_CONTRACT } from "../helpers/store-contract.ts";
import { until } from "../helpers/until.ts";

const scope = new FileScope();
let server: Postgres;
test.before(async () => {
  server = await startPostgres(scope);
});
test.after.always(() => scope.end());

/** The role of a daemon that may do no more than store.sql says, in a database that has the tables. */
async function leastPrivileged({ url }: ServerAddress): Promise<ServerAddress> {
  const database = new URL(url).pathname.slice(1);
  const role = `role_of_${database}`;
  const grants = Array.from(storeSql().matchAll(/^-- {3}(GRANT .*;)$/gm), ([, grant]) => grant!);
  const sql = [`CREATE ROLE ${role} LOGIN PASSWORD 'of-a-test';`, ...grants].join("\n");
  await server.query(database, sql.replaceAll("TO ROLE;", `TO ${role};`));
  return { url: url.replace("owner@", `${role}@`), password: () => "of-a-test" };
}

for (const { title, run } of STORE_CONTRACT) {
  test(title, async (t) => {
    const owner = await server.createDatabase();
    await server.query(new URL(owner.url).pathname.slice(1), storeSql());
    const address = await leastPrivileged(owner);
    await run(t, async () => {
      const store = await PostgresStore.open(address);
      t.teardown(() => store.close());
      return store;
    });
  });
  // Notices get lost there: whoever asks now and then finds what changed.
  if (/notice/.test(title)) continue;
  test(`through PgBouncer: ${title}`, async (t) => {
    const address = await startPgBouncer(t, server, await server.createDatabase());
    await run(t, async () => {
      const store = await PostgresStore.open(address);
      t.teardown(() => store.close());
      return store;
    });
  });
}

test("store.sql is what a store makes by itself", async (t) => {
  const [own, given] = [await server.createDatabase(), await server.createDatabase()];
  await (await PostgresStore.open(own)).close();
  await server.query(new URL(given.url).pathname.slice(1), storeSql());
  const columns = async ({ url }: ServerAddress) =>
    (
      await server.query(
        new URL(url).pathname.slice(1),
        `SELECT table_name, column_name, data_type, is_nullable, column_default
           FROM information_schema.columns WHERE table_schema = 'authd' ORDER BY 1, 2`,
      )
    ).rows;
  t.deepEqual(await columns(own), await columns(given));
  t.is(readFileSync(join(ROOT, "schemas/store.sql"), "utf8"), storeSql(), "run: npm run schemas");
});

test("daemons that start at once make the tables once", async (t) => {
  const address = await server.createDatabase();
  const stores = await Promise.all(Array.from({ length: 5 }, () => PostgresStore.open(address)));
  t.teardown(() => Promise.all(stores.map((store) => store.close())).then(() => {}));
  const database = new URL(address.url).pathname.slice(1);
  const { rows } = await server.query(database, "SELECT count(*)::int AS n FROM authd.migration");
  t.is(rows[0]?.n, MIGRATIONS.length);
});

test("tables of an earlier authd are brought up to date, by an administrator where the role may not", async (t) => {
  for (const mayChange of [true, false]) {
    const owner = await server.createDatabase();
    const database = new URL(owner.url).pathname.slice(1);
    const first = `CREATE SCHEMA authd;
      CREATE TABLE authd.migration (version integer PRIMARY KEY, applied_at timestamptz);
      ${MIGRATIONS[0]}; INSERT INTO authd.migration (version) VALUES (1);
      INSERT INTO authd.record (name, epoch, version) VALUES ('a', 4, 3)`;
    await server.query(database, first);
    const address = mayChange ? owner : await leastPrivileged(owner);
    if (!mayChange) {
      await t.throwsAsync(PostgresStore.open(address), { message: /schemas\/store\.sql/ });
      await server.query(database, storeSql());
    }
    const store = await PostgresStore.open(address);
    t.teardown(() => store.close());
    t.like((await store.read("a")).entry, { version: 3, epoch: 4 });
    t.true((await store.acquire("a", { holder: "one", epoch: 4, ttlMs: 1 })).done);
    await server.query(database, storeSql());
  }
});

test("nobody gets a lease from the tables of a restored dump, until all have told", async (t) => {
  const address = await server.createDatabase();
  const store = await PostgresStore.open(address);
  t.teardown(() => store.close());
  await store.seen("one");
  await store.seen("two");
  const lease = { holder: "one", epoch: 0, ttlMs: 60_000 };
  t.true((await store.acquire("a", lease)).done);
  const dump = `ALTER TABLE authd.clock RENAME TO dumped;
    CREATE TABLE authd.clock AS TABLE authd.dumped; DROP TABLE authd.dumped`;
  await server.query(new URL(address.url).pathname.slice(1), dump);
  const { done, setBack } = await store.acquire("a", { ...lease, epoch: 1 });
  t.false(done);
  await store.settle("another recovery");
  t.false((await store.acquire("a", { ...lease, epoch: 1 })).done);
  await store.settle(setBack!);
  t.true((await store.acquire("a", { ...lease, epoch: 1 })).done);
});

test("a role that may make no tables is told what to do; tables of a newer authd are left alone", async (t) => {
  const owner = await server.createDatabase();
  const database = new URL(owner.url).pathname.slice(1);
  await server.query(database, "CREATE ROLE newcomer LOGIN PASSWORD 'of-a-test'");
  const newcomer = { url: owner.url.replace("owner@", "newcomer@"), password: () => "of-a-test" };
  await t.throwsAsync(PostgresStore.open(newcomer), {
    instanceOf: AuthdError,
    message: /schemas\/store\.sql/,
  });
  await (await PostgresStore.open(owner)).close();
  await server.query(database, "INSERT INTO authd.migration (version) VALUES (99)");
  await t.throwsAsync(PostgresStore.open(owner), { message: /newer authd/ });
});

test("over TCP with a CA it is TLS, and the certificate is verified", async (t) => {
  const { url, password } = await server.createDatabase();
  const name = new URL(url).pathname.slice(1);
  const tcp = (host: string) => `postgres://owner@${host}:${server.port}/${name}`;
  const store = await PostgresStore.open({
    url: tcp("localhost"),
    password: password!,
    ca: server.ca,
  });
  t.teardown(() => store.close());
  const { rows } = await server.query(
    name,
    `SELECT bool_and(ssl) AS ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
       WHERE application_name = 'authd' AND datname = '${name}'`,
  );
  t.true(rows[0]?.ssl);
  const others = createAuthority().ca;
  await t.throwsAsync(
    PostgresStore.open({ url: tcp("localhost"), password: password!, ca: others }),
    { instanceOf: StoreRefusal },
  );
  // The certificate is for localhost.
  await t.throwsAsync(
    PostgresStore.open({ url: tcp("127.0.0.1"), password: password!, ca: server.ca }),
    { instanceOf: StoreRefusal },
  );
});

test("a wrong password is refused, and told to nobody", async (t) => {
  const address = await server.createDatabase();
  const pooled = await startPgBouncer(t, server, address);
  for (const { url } of [address, pooled]) {
    const error = await t.throwsAsync(
      PostgresStore.open({ url, password: () => "a-wrong-password" }),
      { instanceOf: StoreRefusal },
    );
    t.false(error.message.includes("a-wrong-password"));
  }
});

test("without a password it is said where one goes", async (t) => {
  const { url } = await server.createDatabase();
  // Nobody's: no ~/.pgpass of whoever runs this has it.
  const role = url.replace("owner@", "role-without-a-password@");
  for (const address of [{ url: role }, { url, password: () => "" }]) {
    await t.throwsAsync(PostgresStore.open(address), {
      instanceOf: StoreRefusal,
      message: /wants a password .*password_file of \[store\].*~\/\.pgpass/,
    });
  }
});

test.serial("a server that was restarted is used again, and notices come again", async (t) => {
  const address = await server.createDatabase();
  const [one, other] = [await PostgresStore.open(address), await PostgresStore.open(address)];
  t.teardown(async () => {
    await Promise.all([one.close(), other.close()]);
  });
  const noticed: (string | undefined)[] = [];
  t.teardown(other.watch((name) => void noticed.push(name)));
  await until(() => noticed.length > 0);
  await server.stop("immediate");
  const away = await t.throwsAsync(one.read("a"), { instanceOf: AuthdError });
  t.false(away instanceof StoreRefusal, "a server that is away refuses nobody");
  noticed.length = 0;
  await server.start();
  await until(() => noticed.includes(undefined));
  const first = { holder: "one", epoch: 0, ttlMs: 60_000 };
  await until(async () => (await one.acquire("a", first)).done);
  await one.release("a", 1, true);
  await until(() => noticed.includes("a"));
  t.pass();
});
