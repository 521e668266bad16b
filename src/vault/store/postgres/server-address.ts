import type { ClientConfig } from "pg";
import { AuthdError } from "../../../errors.ts";
import { StoreRefusal } from "../store-refusal.ts";
import { type Login, passwordFile, passwordIn } from "./password-file.ts";

/** Where a server is, and what authenticates both sides. */
export interface ServerAddress {
  /** `postgres://role@host:port/database`, or `postgres:///database?host=/run/postgresql`. */
  url: string;
  /** Unless given, it is looked for in ~/.pgpass. */
  password?: () => string;
  /** PEM of the CA that the server's certificate is from; the system's unless given. */
  ca?: string;
}

const PLACES = "it is to be in password_file of [store] in config.toml, or in ~/.pgpass";
const DEFAULT_PORT = 5_432;
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/**
 * Returns what a connection needs. Beyond this machine it is TLS, and the certificate is verified; on loopback
 * and a Unix socket it is plain unless there is a `ca`. Throws AuthdError `invalid_params`.
 */
export function serverConfig({ url, password, ca }: ServerAddress): ClientConfig {
  const { login, isLocal } = loginOf(parse(url));
  return {
    ...login,
    password: () => {
      const found = password ? password() : passwordIn(passwordFile(), login);
      return found || throwMissing(login);
    },
    ssl: isLocal && ca === undefined ? false : { rejectUnauthorized: true, ...(ca && { ca }) },
  };
}

function loginOf({ username, password, hostname, port, pathname, searchParams }: URL) {
  if (password !== "") {
    throw refused(`a password in the address would be there for all to read; ${PLACES}`);
  }
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
  const login: Login = {
    host: host.replace(/^\[|\]$/g, ""),
    port: port === "" ? DEFAULT_PORT : Number(port),
    user: decodeURIComponent(username),
    database,
  };
  return { login, isLocal };
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

function throwMissing({ user }: Login): never {
  throw new StoreRefusal(`The store's server wants a password of the role ${user}: ${PLACES}.`);
}

function refused(why: string): AuthdError {
  return new AuthdError("invalid_params", `The store's address is not used: ${why}.`);
}
