import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { isMistake, loadConfiguration, openConfiguration } from "../../src/config/config.ts";
import { AuthdError } from "../../src/errors.ts";
import { configFolder } from "../helpers/config-folder.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { asRoot } from "../helpers/optional.ts";

const STATIC = 'grant = "static"\n';
const load = (dir: string, env: Record<string, string> = {}) => loadConfiguration({ dir, env });

function refuses(t: ExecutionContext, dir: string, message: RegExp, env = {}): void {
  t.throws(() => load(dir, env), { instanceOf: AuthdError, message });
}

/** The one error of a folder whose only other file, good.toml, must have been read. */
function onlyError(t: ExecutionContext, dir: string): { file: string; message: string } {
  const { credentials, errors } = load(dir);
  t.deepEqual([...credentials.keys()], ["good"]);
  t.is(errors.length, 1);
  return errors[0] ?? { file: "", message: "" };
}

test("a folder that does not exist is an empty configuration", (t) => {
  const { daemon, credentials, errors, defaults } = load(join(temporaryFolder(t), "none"));
  t.deepEqual(daemon, { vaultKey: "auto", logLevel: "info", maxConnections: 256 });
  t.is(credentials.size, 0);
  t.deepEqual([errors, defaults], [[], {}]);
});

test("config.toml says how people and other programs are told", (t) => {
  const config = `metrics_file = "/var/lib/metrics/authd.prom"
metrics_listen = "[::1]:9464"
notify = false
hook = ["/usr/bin/logger", "-t", "authd"]
`;
  t.like(load(configFolder(t, {}, config)).daemon, {
    metricsFile: "/var/lib/metrics/authd.prom",
    metricsListen: { host: "::1", port: 9464 },
    notify: false,
    hook: ["/usr/bin/logger", "-t", "authd"],
  });
  const short = load(configFolder(t, {}, 'hook = "/bin/true"\n')).daemon;
  t.deepEqual(short.hook, ["/bin/true"]);
});

test("config.toml sets the daemon, and the environment overrides it", (t) => {
  const dir = configFolder(
    t,
    {},
    `vault_key = "passphrase"
log_level = "warn"
proxy = "http://proxy.example:3128"
max_connections = 10
defaults = { warm = "always" }
`,
  );
  const { daemon, defaults } = load(dir);
  t.deepEqual(daemon, {
    vaultKey: "passphrase",
    logLevel: "warn",
    proxy: "http://proxy.example:3128",
    maxConnections: 10,
  });
  t.deepEqual(defaults, { warm: "always" });
  const { daemon: overridden } = load(dir, { AUTHD_VAULT_KEY: "file", AUTHD_LOG_LEVEL: "debug" });
  t.like(overridden, { vaultKey: "file", logLevel: "debug" });
  t.like(load(dir, { AUTHD_VAULT_KEY: "" }).daemon, { vaultKey: "passphrase" });
});

test("a variable that means nothing is named with its choices", (t) => {
  const dir = configFolder(t);
  refuses(t, dir, /AUTHD_VAULT_KEY must be one of auto, .* Did you mean "keychain"/, {
    AUTHD_VAULT_KEY: "keychian",
  });
  refuses(t, dir, /AUTHD_LOG_LEVEL must be one of trace/, { AUTHD_LOG_LEVEL: "loud" });
});

test("config.toml: unknown keys and wrong values are named", (t) => {
  for (const [text, message] of [
    ['vaultkey = "file"', /config\.toml: There is no key "vaultkey"\. Did you mean "vault_key"/],
    ['vault_key = "safe"', /config\.toml: vault_key: expected one of/],
    ['proxy = "socks5://x"', /proxy/],
    ["max_connections = 0", /max_connections/],
    ['metrics_file = "authd.prom"', /metrics_file: expected an absolute path/],
    ['metrics_listen = "0.0.0.0:9464"', /metrics_listen: expected a loopback address/],
    ['metrics_listen = "example.com:9464"', /metrics_listen: expected a loopback address/],
    ['metrics_listen = "127.0.0.1:0"', /metrics_listen: expected a loopback address/],
    ['hook = "notify.sh"', /hook: .*expected an absolute path/],
    ["hook = []", /hook: .*expected an absolute path/],
    ['notify = "yes"', /notify: expected boolean/],
    ['defaults = { worm = "used" }', /"defaults\.worm"\. Did you mean "defaults\.warm"/],
    ['defaults = { warm = "hot" }', /defaults\.warm/],
    ["a = [", /config\.toml, line 1, column \d+: not valid TOML/],
  ] as const) {
    refuses(t, configFolder(t, {}, text), message);
  }
});

test("defaults lie below the preset and the file, and a grant takes those that it knows", (t) => {
  const dir = configFolder(
    t,
    {
      "plain.toml": STATIC,
      "own.toml": `${STATIC}ttl = 60\nheaders = { authorization = "{token}" }\n`,
      "issued.toml":
        'grant = "client_credentials"\nclient_id = "me"\ntoken_url = "https://issuer.example"\n',
    },
    'defaults = { ttl = 30, client_auth = "post", headers = { user-agent = "me" } }',
  );
  const { credentials, errors } = load(dir);
  t.deepEqual(errors, []);
  t.like(credentials.get("plain"), {
    ttl: 30,
    headers: { "user-agent": "me", authorization: "Bearer {token}" },
  });
  t.like(credentials.get("own"), {
    ttl: 60,
    headers: { "user-agent": "me", authorization: "{token}" },
  });
  t.like(credentials.get("issued"), { own: { client_auth: "post" } });
});

test("ca_file of config.toml is every credential's, relative to the folder, unless it has its own", (t) => {
  const dir = configFolder(
    t,
    { "a.toml": STATIC, "b.toml": `${STATIC}ca_file = "own.pem"\n` },
    'ca_file = "ca.pem"',
  );
  const pem = (text: string) => `-----BEGIN CERTIFICATE-----\n${text}\n`;
  writeFileSync(join(dir, "ca.pem"), pem("shared"));
  writeFileSync(join(dir, "own.pem"), pem("own"));
  const { credentials } = load(dir);
  t.is(credentials.get("a")?.ca, pem("shared"));
  t.is(credentials.get("b")?.ca, pem("own"));
});

test("a broken file costs its own credential, and says where without quoting it", (t) => {
  const dir = configFolder(t, {
    "good.toml": STATIC,
    "bad.toml": 'grant = "static"\nclient_secret = hunter2-not-quoted\n',
  });
  const { file, message } = onlyError(t, dir);
  t.is(file, join(dir, "credentials", "bad.toml"));
  t.regex(message, /^line 2, column 17: not valid TOML/);
  t.notRegex(message, /hunter2/);
});

test("a wrong value costs its own credential, and is not quoted", (t) => {
  const dir = configFolder(t, {
    "good.toml": STATIC,
    "bad.toml": `${STATIC}origins = ["https://user:hunter2@api.example"]\n`,
  });
  const { message } = onlyError(t, dir);
  t.regex(message, /Credential "bad": origins\[0\] must not hold a user name or password/);
  t.notRegex(message, /hunter2/);
});

test("file names that can't be credentials are named, other files are left alone", (t) => {
  const long = "a".repeat(65);
  const dir = configFolder(t, {
    "good.toml": STATIC,
    "Upper.toml": STATIC,
    [`${long}.toml`]: STATIC,
    "with space.toml": STATIC,
    "README.md": "# mine",
    ".good.toml.swp": "x",
    ".#good.toml": STATIC,
    "good.toml~": STATIC,
  });
  const { credentials, errors } = load(dir);
  t.deepEqual([...credentials.keys()], ["good"]);
  t.deepEqual(errors.map(({ credential }) => credential).sort(), ["Upper", long, "with space"]);
  const messages = errors.map(({ message }) => message).join("\n");
  t.regex(messages, /upper case is not allowed; call it "upper"/);
  t.regex(messages, /65 characters/);
});

test("a folder, a pipe, a huge file and what is not text are no credential files", (t) => {
  for (const [make, message] of [
    [(file: string) => mkdirSync(file), /a folder is in its place/],
    [(file: string) => execFileSync("mkfifo", ["-m", "600", file]), /it is no ordinary file/],
    [(file: string) => writeFileSync(file, "#".repeat(1024 * 1024 + 1)), /larger than 1 MiB/],
    [(file: string) => writeFileSync(file, Buffer.from([0x61, 0xff])), /not UTF-8/],
  ] as const) {
    const dir = configFolder(t, { "good.toml": STATIC });
    make(join(dir, "credentials", "odd.toml"));
    t.regex(onlyError(t, dir).message, message);
  }
});

test("a byte order mark and CRLF are fine", (t) => {
  const dir = configFolder(t, { "good.toml": `\ufeffgrant = "static"\r\nttl = 60\r\n` });
  t.is(load(dir).credentials.get("good")?.ttl, 60);
});

test("a file that others can write to is refused, with how to mend it", (t) => {
  for (const mode of [0o620, 0o602, 0o666]) {
    const dir = configFolder(t, { "good.toml": STATIC, "bad.toml": STATIC });
    const file = join(dir, "credentials", "bad.toml");
    chmodSync(file, mode);
    t.true(onlyError(t, dir).message.includes(`chmod go-w ${file}`));
  }
});

test("a folder that others can write to is refused as a whole, with how to mend it", (t) => {
  for (const folder of ["", "credentials"]) {
    const dir = configFolder(t, { "good.toml": STATIC });
    chmodSync(join(dir, folder), 0o777);
    refuses(t, dir, /can be changed by other users.*chmod go-w /);
  }
  const dir = configFolder(t, {}, "");
  chmodSync(join(dir, "config.toml"), 0o666);
  refuses(t, dir, /config\.toml can be changed by other users/);
});

asRoot("what belongs to somebody else is refused", (t) => {
  const dir = configFolder(t, { "good.toml": STATIC, "bad.toml": STATIC });
  chownSync(join(dir, "credentials", "bad.toml"), 12_345, 12_345);
  t.regex(onlyError(t, dir).message, /belongs to another user \(uid 12345\).*chown 0 /);
  chownSync(dir, 12_345, 12_345);
  refuses(t, dir, /belongs to another user/);
});

test("a read-only folder is read", (t) => {
  const dir = configFolder(t, { "good.toml": STATIC }, "");
  for (const path of ["credentials/good.toml", "config.toml"]) chmodSync(join(dir, path), 0o400);
  for (const path of ["credentials", ""]) chmodSync(join(dir, path), 0o500);
  t.teardown(() => {
    for (const path of ["", "credentials"]) chmodSync(join(dir, path), 0o700);
  });
  t.is(load(dir).credentials.size, 1);
});

test("links are followed to where only we can write", (t) => {
  const dotfiles = temporaryFolder(t);
  const dir = configFolder(t, { "good.toml": STATIC });
  writeFileSync(join(dotfiles, "linked.toml"), STATIC, { mode: 0o600 });
  symlinkSync(join(dotfiles, "linked.toml"), join(dir, "credentials", "linked.toml"));
  t.deepEqual([...load(dir).credentials.keys()], ["good", "linked"]);
  chmodSync(dotfiles, 0o777);
  t.true(onlyError(t, dir).message.includes(`${dotfiles} can be changed by other users`));
});

test("a link to nothing is said to be one", (t) => {
  const dir = configFolder(t, { "good.toml": STATIC });
  symlinkSync("/nowhere/at/all", join(dir, "credentials", "bad.toml"));
  t.regex(onlyError(t, dir).message, /is a link to nothing/);
  rmSync(join(dir, "credentials"), { recursive: true });
  symlinkSync("/nowhere/at/all", join(dir, "credentials"));
  refuses(t, dir, /credentials is a link to nothing/);
  const linked = join(temporaryFolder(t), "authd");
  symlinkSync("/nowhere/at/all", linked);
  refuses(t, linked, /authd is a link to nothing/);
});

test("a file in the folder's place is refused", (t) => {
  const dir = join(temporaryFolder(t), "authd");
  writeFileSync(dir, "");
  refuses(t, dir, /authd is not a folder/);
});

test("__proto__ is harmless: in the file, quoted, in a table", (t) => {
  for (const text of [
    `${STATIC}[__proto__]\nwarm = "always"\n`,
    `${STATIC}"__proto__" = { warm = "always" }\n`,
    `${STATIC}[fields]\n"__proto__" = "x"\n`,
    `${STATIC}[headers.__proto__]\nx = "y"\n`,
    `${STATIC}[constructor.prototype]\nwarm = "always"\n`,
  ]) {
    onlyError(t, configFolder(t, { "good.toml": STATIC, "bad.toml": text }));
  }
  t.is(({} as Record<string, unknown>).warm, undefined);
});

test("many alike credentials share what is equal", (t) => {
  const files = Object.fromEntries(
    Array.from({ length: 50 }, (_, index) => [
      `c${index}.toml`,
      `preset = "labelf"\nclient_id = "id-${index}"\n`,
    ]),
  );
  const { credentials } = load(configFolder(t, files));
  const [first, second] = [...credentials.values()];
  t.not(first?.own, second?.own);
  for (const key of ["origins", "headers", "secrets", "verify", "rejectedOn"] as const) {
    t.is(first?.[key], second?.[key], key);
  }
  t.true(Object.isFrozen(first) && Object.isFrozen(first?.own) && Object.isFrozen(first?.headers));
});

test("files are listed before one is read, and each is read when it is asked for", (t) => {
  const dir = configFolder(t, {
    "one.toml": STATIC,
    "two.toml": STATIC,
    "broken.toml": "grant = \n",
  });
  const { names, read } = openConfiguration({ dir, env: {} });
  t.deepEqual(names, ["broken", "one", "two"]);
  t.is(isMistake(read("one")), false);
  t.is(isMistake(read("broken")), true);
  rmSync(join(dir, "credentials/two.toml"));
  t.is(read("two"), undefined, "it is gone");
});
