import { once } from "node:events";
import { chownSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import type { ServerAddress } from "../../src/vault/store/postgres/server-address.ts";
import { start } from "./child.ts";
import { temporaryFolder } from "./folder.ts";
import { freePort } from "./port.ts";
import { type Postgres, postgresProgram } from "./postgres.ts";
import type { Scope } from "./scope.ts";
import { until } from "./until.ts";

/** Starts PgBouncer in transaction mode before a server; returns the same database's address through it. */
export async function startPgBouncer(
  t: Scope,
  { port: serverPort }: Postgres,
  { url, password }: ServerAddress,
): Promise<ServerAddress> {
  const folder = temporaryFolder(t);
  const port = await freePort();
  const name = new URL(url).pathname.slice(1);
  const secret = password?.() ?? "";
  writeFileSync(join(folder, "users.txt"), `"owner" "${secret}"\n`);
  const settings = [
    "[databases]",
    `${name} = host=127.0.0.1 port=${serverPort} dbname=${name} user=owner password=${secret}`,
    "[pgbouncer]",
    "listen_addr = 127.0.0.1",
    `listen_port = ${port}`,
    "unix_socket_dir =",
    "server_tls_sslmode = disable",
    "auth_type = scram-sha-256",
    `auth_file = ${join(folder, "users.txt")}`,
    "pool_mode = transaction",
    "default_pool_size = 3",
    "ignore_startup_parameters = extra_float_digits",
  ];
  writeFileSync(join(folder, "pgbouncer.ini"), `${settings.join("\n")}\n`);
  const program = postgresProgram("pgbouncer") ?? "pgbouncer";
  const isRoot = process.geteuid?.() === 0;
  if (isRoot)
    for (const file of ["", "users.txt", "pgbouncer.ini"])
      chownSync(join(folder, file), 65_534, 65_534);
  const drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
  const [command, ...args] = [...(isRoot ? drop : []), program, join(folder, "pgbouncer.ini")];
  start(t, command!, args, { cwd: folder });
  await until(() => answers(port));
  return { url: `postgres://owner@127.0.0.1:${port}/${name}`, password: () => secret };
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
