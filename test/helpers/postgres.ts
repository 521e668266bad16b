import { execFile } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import type { ServerAddress } from "../../src/vault/store/postgres/server-address.ts";
import { type Certificate, createAuthority } from "./certificates.ts";
import { type Running, start } from "./child.ts";
import { temporaryFolder } from "./folder.ts";
import { freePort } from "./port.ts";
import type { Scope } from "./scope.ts";
import { until } from "./until.ts";

const run = promisify(execFile);
const PASSWORD = "owner-of-a-test";
/** Where Debian puts what is not in the PATH. */
const DEBIAN = "/usr/lib/postgresql";

/** A real server in a temporary folder, on a Unix socket and on loopback, with TLS and SCRAM. */
export interface Postgres {
  readonly port: number;
  /** The folder of its Unix socket. */
  readonly socketFolder: string;
  /** PEM of the CA of its certificate, which is for `localhost`. */
  readonly ca: string;
  /** Makes an empty database; returns its address on the Unix socket, as its owner. */
  createDatabase(): Promise<ServerAddress>;
  /** Runs statements as the superuser. */
  query(database: string, sql: string): Promise<pg.QueryResult>;
  /** Ends the server as a power cut does (`immediate`), or after its clients (`fast`). */
  stop(how?: "immediate" | "fast"): Promise<void>;
  start(): Promise<void>;
}

/** Returns the path of a program of PostgreSQL; undefined if it is not installed. */
export function postgresProgram(name: string): string | undefined {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort().reverse() : [];
  const folders = [
    ...versions.map((version) => join(DEBIAN, version, "bin")),
    ...(process.env.PATH ?? "").split(delimiter),
    "/usr/sbin",
  ];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

export interface PostgresOptions {
  /** Names and addresses that its certificate is for. */
  names?: readonly string[];
  /** Settings of the server, such as `synchronous_commit=remote_apply`. */
  settings?: readonly string[];
}

/** Starts a server that ends with `t`. Its programs must be installed. */
export async function startPostgres(
  t: Scope,
  { names = ["localhost"], settings = [] }: PostgresOptions = {},
): Promise<Postgres> {
  const place = await makePlace(t);
  const { folder, data, owner } = place;
  const authority = createAuthority();
  writeFileSync(join(folder, "password"), PASSWORD, { mode: 0o600 });
  if (owner) chownSync(join(folder, "password"), owner.uid, owner.gid);
  const init = ["-D", data, "-U", "owner", "-A", "scram-sha-256", "--no-sync", "-E", "UTF8"];
  const [command, ...args] = asUser(owner, postgresProgram("initdb") ?? "initdb");
  await run(command!, [...args, ...init, `--pwfile=${join(folder, "password")}`], { cwd: folder });
  writeCertificate(data, authority.issue(...names), owner);
  return await serve(t, place, { ca: authority.ca, settings });
}

/**
 * Starts a standby of a server, which follows it through a port of loopback, and becomes a server of its own with
 * `SELECT pg_promote()`.
 */
export async function startStandby(
  t: Scope,
  { ca }: Postgres,
  through: number,
  settings: readonly string[] = [],
): Promise<Postgres> {
  const place = await makePlace(t);
  const { folder, data, owner } = place;
  const passfile = join(folder, "pgpass");
  writeFileSync(passfile, `*:*:*:owner:${PASSWORD}\n`, { mode: 0o600 });
  if (owner) chownSync(passfile, owner.uid, owner.gid);
  const from = `host=127.0.0.1 port=${through} user=owner passfile=${passfile}`;
  const [command, ...args] = asUser(owner, postgresProgram("pg_basebackup") ?? "pg_basebackup");
  const copy = ["-D", data, "-d", from, "-R", "--checkpoint=fast", "--no-sync"];
  await run(command!, [...args, ...copy], { cwd: folder });
  return await serve(t, place, { ca, settings });
}

/** Where a server keeps its files, and as whom it runs. */
interface Place {
  folder: string;
  data: string;
  port: number;
  owner: User | undefined;
}

async function makePlace(t: Scope): Promise<Place> {
  const folder = temporaryFolder(t);
  const data = join(folder, "data");
  for (const dir of [data, join(folder, "run")]) mkdirSync(dir, { mode: 0o700 });
  const owner = await serversUser();
  if (owner) for (const path of filesOf(folder)) chownSync(path, owner.uid, owner.gid);
  return { folder, data, port: await freePort(), owner };
}

async function serve(
  t: Scope,
  { folder, data, port, owner }: Place,
  { ca, settings: more }: { ca: string; settings: readonly string[] },
): Promise<Postgres> {
  const server = postgresProgram("postgres") ?? "postgres";
  let running: Running | undefined;
  const query = async (database: string, sql: string) => {
    const at = { host: join(folder, "run"), port, user: "owner", password: PASSWORD, database };
    const client = new pg.Client(at);
    client.on("error", () => {});
    await client.connect();
    return await client.query(sql).finally(() => client.end());
  };
  const begin = async () => {
    const given = ["listen_addresses=localhost", "ssl=on", "fsync=off", ...more];
    const settings = given.flatMap((setting) => ["-c", setting]);
    const [program, ...rest] = asUser(owner, server);
    const where = ["-D", data, "-k", join(folder, "run"), "-p", String(port)];
    running = start(t, program!, [...rest, ...where, ...settings], { cwd: folder });
    await until(() =>
      query("postgres", "SELECT 1").then(
        () => true,
        () => false,
      ),
    );
  };
  await begin();
  let databases = 0;
  return {
    port,
    socketFolder: join(folder, "run"),
    ca,
    query,
    start: begin,
    async createDatabase() {
      const name = `test_${++databases}`;
      await query("postgres", `CREATE DATABASE ${name}`);
      const host = encodeURIComponent(join(folder, "run"));
      const url = `postgres://owner@:${port}/${name}?host=${host}`;
      return { url: url.replace("@:", "@localhost:"), password: () => PASSWORD };
    },
    async stop(how = "fast") {
      running?.child.kill(how === "fast" ? "SIGINT" : "SIGQUIT");
      await running?.ended;
    },
  };
}

interface User {
  uid: number;
  gid: number;
}

/** The server refuses to run as root: then it runs as the user that its package made. */
async function serversUser(): Promise<User | undefined> {
  if (process.geteuid?.() !== 0) return undefined;
  const id = async (flag: string) => Number((await run("id", [flag, "postgres"])).stdout);
  return { uid: await id("-u"), gid: await id("-g") };
}

function asUser(user: User | undefined, program: string): string[] {
  if (!user) return [program];
  return ["setpriv", `--reuid=${user.uid}`, `--regid=${user.gid}`, "--clear-groups", program];
}

const filesOf = (folder: string) => [
  folder,
  ...readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => join(folder, name)),
];

function writeCertificate(data: string, { key, cert }: Certificate, owner: User | undefined): void {
  for (const [name, text] of [
    ["server.key", key],
    ["server.crt", cert],
  ] as const) {
    const path = join(data, name);
    writeFileSync(path, text);
    chmodSync(path, 0o600);
    if (owner) chownSync(path, owner.uid, owner.gid);
  }
}
