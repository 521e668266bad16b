import { isAbsolute } from "node:path";
import { omitUndefined } from "../base/omit-undefined.ts";
import { parseDuration } from "../base/parse-duration.ts";
import { didYouMean } from "../base/suggest.ts";
import * as z from "../base/zod.ts";
import { AuthdError } from "../errors.ts";
import { account, idOf } from "./accounts.ts";
import { checkDefaults } from "./credential-type.ts";
import { canonical, type Table } from "./json-table.ts";
import { NAME } from "./name.ts";
import { parseWith } from "./schema.ts";
import type { DaemonSettings, RestrictedSocket } from "./settings.ts";
import { storeHost } from "./store-host.ts";

type Env = Readonly<Record<string, string | undefined>>;

const VAULT_KEYS = ["auto", "keychain", "passphrase", "systemd-credential", "file"] as const;
const AUDIT_MODES = ["on", "off", "required"] as const;
const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;

const NOT_A_PATH = { error: "expected an absolute path" };
const isPath = (text = "") => isAbsolute(text) && !text.includes("\0");
const absolutePath = z.string().check(z.refine(isPath, NOT_A_PATH));

/** An address such as `127.0.0.1:9464`, `[::1]:9464` or `localhost:9464`. */
function loopback(text: string): { host: string; port: number } | undefined {
  const match = /^(localhost|127(?:\.\d{1,3}){3}|\[::1\]):(\d{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  const isPort = port >= 1 && port <= 65_535;
  return match && isPort ? { host: match[1]!.replace(/[[\]]/g, ""), port } : undefined;
}

const restrictedSocket = z.strictObject({
  name: z.described(
    z.string().check(z.regex(NAME, "expected a name such as devcontainer")),
    "What the audit log and questions call it",
  ),
  path: z.described(absolutePath, "Where it is; mount or forward it from here"),
  mode: z.described(
    z._default(
      z.string().check(z.regex(/^0?[0-7]{3}$/, 'expected octal digits, such as "0600"')),
      "0600",
    ),
    "Its permissions; the folder's count as well",
  ),
  credentials: z.described(
    z
      .array(z.string().check(z.regex(NAME, "expected the name of a credential")))
      .check(z.minLength(1)),
    "Credentials that can be used by it",
  ),
  expose: z.described(
    z._default(z.enum(["request", "token"]), "request"),
    "request: sends requests and hands out no token; token: hands out tokens, too",
  ),
  read_only: z.described(z._default(z.boolean(), false), "Only GET, HEAD and OPTIONS are sent"),
});

/** The schema of `config.toml`. */
export const configSchema = z.partial(
  z.strictObject({
    vault_key: z.described(z.enum(VAULT_KEYS), "Where a new vault's key comes from"),
    log_level: z.described(z.enum(LOG_LEVELS), "What the daemon writes to its log"),
    proxy: z.described(
      z.url({ protocol: /^https?$/ }),
      "Proxy for issuers and APIs; the environment's are not used",
    ),
    ca_file: z.described(z.nonEmpty, "PEM file with a private CA that every credential trusts"),
    audit: z.described(
      z.enum(AUDIT_MODES),
      "Whether audit.log says who used what; required: nothing happens unless it can",
    ),
    max_connections: z.described(
      z.int().check(z.minimum(1), z.maximum(65_536)),
      "Clients connected at once",
    ),
    access: z.described(
      z.partial(
        z.strictObject({
          users: z.array(account),
          groups: z.array(account),
          answer_own: z.described(
            z.boolean(),
            "They may answer what programs of that same user ask a person; off by default",
          ),
        }),
      ),
      "Other users who may connect; what they may use is said by the credentials' rules",
    ),
    socket_group: z.described(account, "Group whose members can reach the socket (mode 0660)"),
    sockets: z.described(
      z.array(restrictedSocket).check(z.maxLength(16)),
      "Further sockets, restricted: to forward to other hosts, or to mount into containers",
    ),
    metrics_file: z.described(
      absolutePath,
      "File for Prometheus' textfile collector; off by default",
    ),
    metrics_listen: z.described(
      z.string().check(
        z.refine((text) => loopback(text) !== undefined, {
          error: "expected a loopback address and a port, such as 127.0.0.1:9464",
        }),
      ),
      "Loopback address and port of a Prometheus endpoint; off by default",
    ),
    notify: z.described(
      z.boolean(),
      "Desktop notifications when a credential needs you; by default if there is a desktop",
    ),
    hook: z.described(
      z.union([
        absolutePath,
        z.array(z.string()).check(z.refine(([program]) => isPath(program), NOT_A_PATH)),
      ]),
      "Program that is run when a credential needs you, with its arguments; no shell",
    ),
    store: z.described(
      z.strictObject({
        url: z.described(
          z.string().check(
            z.refine(isStoreUrl, {
              error: "expected postgres://role@host/database without a password, or file:///folder",
            }),
          ),
          "The store that this host shares with others: postgres:// or file://",
        ),
        password_file: z.described(
          z.optional(absolutePath),
          "File with the role's password; else the systemd credential store-password, or ~/.pgpass",
        ),
        ca_file: z.described(
          z.optional(absolutePath),
          "PEM file with the CA of the server's certificate; else the system's",
        ),
        key_file: z.described(
          z.optional(absolutePath),
          "File with a key that lets this host in (authd fleet key); else the systemd credential store-key, or an invitation",
        ),
        host: z.described(
          z.optional(z.string().check(z.regex(NAME, "expected a name such as web-1"))),
          "What this host is called there; by default as the machine is called",
        ),
        groups: z.described(
          z.optional(
            z
              .array(z.string().check(z.regex(NAME, "expected a name such as web")))
              .check(z.minLength(1)),
          ),
          "The groups that this host serves; by default all that it was let into",
        ),
      }),
      "Records that are shared with other hosts",
    ),
    subject_exec: z.described(
      z.boolean(),
      "Whether credentials may run a program for their subject token; off by default",
    ),
    lock_after: z.described(
      z.string().check(
        z.refine((text) => (parseDuration(text) ?? 0) >= 1_000, {
          error: "expected a length of time, such as 30m or 2h",
        }),
      ),
      "Locks the vault after so long without use, such as 30m; off by default",
    ),
    lock_on: z.described(
      z.array(z.enum(["suspend", "screen"])),
      "Locks the vault when the machine sleeps, when the screen is locked (Linux)",
    ),
    defaults: z.described(
      z.record(z.string(), z.json()),
      "Defaults for the keys of credential files",
    ),
  }),
);

export interface ConfigFile {
  daemon: DaemonSettings;
  /** Defaults of credential files; not yet parseConfig against any grant. */
  defaults: Table;
  /** The keys about who may use what, in one text. */
  access: string;
}

/** The keys about who may use what, and where secrets go. */
const ACCESS_KEYS = ["access", "sockets", "socket_group", "defaults", "ca_file"];

export function accessKeysOf(content: Table): Table {
  const entries = Object.entries(content).filter(([key]) => ACCESS_KEYS.includes(key));
  return Object.fromEntries(entries);
}

/**
 * Checks the content of `config.toml` (`file` is for messages) and merges the environment over it.
 * Throws AuthdError `invalid_params`.
 */
export function daemonSettings(content: Table, env: Env, file: string): ConfigFile {
  const settings = parseConfig(content, file);
  const defaults = settings.ca_file === undefined ? {} : { ca_file: settings.ca_file };
  return {
    daemon: Object.freeze(
      omitUndefined({
        vaultKey: choice(env, "AUTHD_VAULT_KEY", VAULT_KEYS) ?? settings.vault_key ?? "auto",
        logLevel: choice(env, "AUTHD_LOG_LEVEL", LOG_LEVELS) ?? settings.log_level ?? "info",
        proxy: settings.proxy,
        maxConnections: settings.max_connections ?? 256,
        audit: settings.audit,
        subjectExec: settings.subject_exec,
        sockets: restrictedSockets(settings, file),
        store: storeSettings(settings, env),
        ...accessSettings(settings, file),
        ...reportingSettings(settings),
        ...lockSettings(settings),
      }),
    ),
    defaults: { ...defaults, ...settings.defaults },
    access: canonical(accessKeysOf(content)),
  };
}

function isStoreUrl(text: string): boolean {
  if (!/^(postgres(ql)?|file):\/\//.test(text) || !URL.canParse(text)) return false;
  return new URL(text).password === "";
}

function storeSettings(
  { store }: z.output<typeof configSchema>,
  env: Env,
): DaemonSettings["store"] {
  if (!store) return undefined;
  const { url, password_file: passwordFile, ca_file: caFile, key_file: keyFile, groups } = store;
  const host = storeHost(env) ?? store.host;
  return omitUndefined({ url, passwordFile, caFile, keyFile, host, groups });
}

function restrictedSockets(
  { sockets }: z.output<typeof configSchema>,
  file: string,
): readonly RestrictedSocket[] | undefined {
  for (const key of ["name", "path"] as const) {
    const all = sockets?.map((socket) => socket[key]) ?? [];
    const twice = all.find((value, at) => all.indexOf(value) !== at);
    if (twice === undefined) continue;
    const text = `${file}: two of its sockets have the ${key} ${twice}.`;
    throw new AuthdError("invalid_params", text);
  }
  return sockets?.map(({ read_only: readOnly, mode, ...socket }) =>
    Object.freeze({ ...socket, readOnly, mode: Number.parseInt(mode, 8) }),
  );
}

/** The id that processes of users without a number on this system seem to have (user_namespaces(7)). */
const OVERFLOW_ID = 65_534;

function accessSettings(
  { access, socket_group: group }: z.output<typeof configSchema>,
  file: string,
): Pick<DaemonSettings, "guests" | "socketGid"> {
  try {
    const { users = [], groups = [] } = access ?? {};
    const uids = users.map((user) => idOf("user", user));
    const gids = groups.map((one) => idOf("group", one));
    if ([...uids, ...gids].includes(OVERFLOW_ID)) {
      const text = `access: ${OVERFLOW_ID} (nobody, nogroup) stands for everybody whom the system can't tell.`;
      throw new AuthdError("invalid_params", text);
    }
    return omitUndefined({
      guests: access && { uids, gids, answerOwn: access.answer_own === true },
      socketGid: group === undefined ? undefined : idOf("group", group),
    });
  } catch (cause) {
    if (!(cause instanceof AuthdError)) throw cause;
    throw new AuthdError("invalid_params", `${file}: ${cause.message}`);
  }
}

function reportingSettings(settings: z.output<typeof configSchema>): Partial<DaemonSettings> {
  const { metrics_file: metricsFile, metrics_listen: listen, notify, hook } = settings;
  const metricsListen = listen === undefined ? undefined : loopback(listen);
  return omitUndefined({
    metricsFile,
    metricsListen,
    notify,
    hook: typeof hook === "string" ? [hook] : hook,
  });
}

function lockSettings({ lock_after: after, lock_on: lockOn }: z.output<typeof configSchema>) {
  return omitUndefined({
    lockAfter: after === undefined ? undefined : parseDuration(after),
    lockOn: lockOn && [...new Set(lockOn)],
  });
}

function parseConfig(content: Table, file: string): z.output<typeof configSchema> {
  try {
    const settings = parseWith(configSchema, content);
    checkDefaults(settings.defaults ?? {});
    return settings;
  } catch (cause) {
    if (!(cause instanceof AuthdError)) throw cause;
    throw new AuthdError("invalid_params", `${file}: ${cause.message}`);
  }
}

/** An empty variable counts as unset. */
function choice<const Choice extends string>(
  env: Env,
  variable: string,
  choices: readonly Choice[],
): Choice | undefined {
  const value = env[variable];
  if (!value) return undefined;
  const known = choices.find((each) => each === value);
  if (known !== undefined) return known;
  throw new AuthdError(
    "invalid_params",
    `The environment variable ${variable} must be one of ${choices.join(", ")}.${didYouMean(value, choices)}`,
  );
}
