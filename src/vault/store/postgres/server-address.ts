import type { ClientConfig } from "pg";
import { AuthdError } from "../../../errors.ts";

/** Where a server is, and what authenticates both sides. */
export interface ServerAddress {
  /** `postgres://role@host:port/database`, or `postgres:///database?host=/run/postgresql`. */
  url: string;
  /** Unless given, pg looks for it in ~/.pgpass. */
  password?: () => string;
  /** PEM of the CA that the server's certificate is from; the system's unless given. */
  ca?: string;
}

const DEFAULT_PORT = 5_432;
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/**
 * Returns what a connection needs. Beyond this machine it is TLS, and the certificate is verified; on loopback
 * and a Unix socket it is plain unless there is a `ca`. Throws AuthdError `invalid_params`.
 */
export function serverConfig({ url, password, ca }: ServerAddress): ClientConfig {
  const { username, password: secret, hostname, port, pathname, searchParams } = parse(url);
  if (secret !== "") throw refused("a password in the address would be there for all to read");
  const { host: folder, ...unknown } = Object.fromEntries(searchParams);
  const [strange] = Object.keys(unknown);
  if (strange !== undefined) throw refused(`it says ${strange}, which authd does not know`);
  const host = folder ?? decodeURIComponent(hostname);
  if (host === "") throw refused("it names no host");
  if (folder !== undefined && !folder.startsWith("/")) {
    throw refused("its host= is to be the folder of a Unix socket");
  }
  const database = decodeURIComponent(pathname.slice(1));
  if (database === "" || username === "") throw refused("it is to name a role and a database");
  const isLocal = host.startsWith("/") || LOOPBACK.test(hostname);
  const bare = host.replace(/^\[|\]$/g, "");
  return {
    host: bare,
    port: port === "" ? DEFAULT_PORT : Number(port),
    user: decodeURIComponent(username),
    database,
    ...(password && { password }),
    ssl: isLocal && ca === undefined ? false : { rejectUnauthorized: true, ...(ca && { ca }) },
  };
}

function parse(url: string): URL {
  try {
    const parsed = new URL(url);
    if (/^postgres(ql)?:$/.test(parsed.protocol)) return parsed;
  } catch {
    // Said below.
  }
  throw refused("expected postgres://role@host/database");
}

function refused(why: string): AuthdError {
  return new AuthdError("invalid_params", `The store's address is not used: ${why}.`);
}
