import inspector from "node:inspector";
import { cleanEnvironment } from "./child.ts";
import { forbidCoreDumps, keepInspectorShut } from "./core-dump.ts";
import { AuthdError, messageOf } from "./errors.ts";
import { lastError, libc } from "./libc.ts";

/**
 * Options that neither debug, preload code, write files, nor loosen TLS. A list of the harmless
 * ones, so that whatever a newer Node adds is refused until somebody has looked at it.
 */
const HARMLESS = new RegExp(
  `^--(${[
    "(min|max)-[a-z-]+-size|max-heap-size|initial-heap-size|optimize-for-size|stack-size|stack-trace-limit",
    "expose-gc|jitless|v8-pool-size|single-threaded|huge-max-old-generation-size",
    "dns-result-order|(no-)?(enable-)?network-family-autoselection(-attempt-timeout)?",
    "use-(openssl|bundled|system)-ca|tls-min-v1\\.[23]|tls-max-v1\\.3",
    "openssl-legacy-provider|enable-fips|force-fips|secure-heap(-min)?",
    "(no-)?(warnings|deprecation|trace-warnings|trace-deprecation|pending-deprecation)|disable-warning",
    "throw-deprecation|unhandled-rejections|(no-)?extra-info-on-fatal-exception|title",
    "(no-)?enable-source-maps|preserve-symlinks(-main)?|disable-sigusr1|no-global-search-paths",
    "frozen-intrinsics|disable-proto|disallow-code-generation-from-strings|zero-fill-buffers",
    "(no-)?(experimental-)?(fetch|websocket|eventsource|webstorage|sqlite|global-[a-z]+)",
    "(no-)?experimental-(vm-modules|wasm-modules|require-module|detect-module|strip-types|transform-types)",
    "(no-)?experimental-(repl-await|import-meta-resolve|default-type)|(no-)?strip-types",
  ].join("|")})$`,
);

/** Variables that make Node give something away, with what they do. */
const UNSAFE_VARIABLES: readonly {
  name: string;
  unsafe: (value: string) => boolean;
  why: string;
}[] = [
  {
    name: "NODE_TLS_REJECT_UNAUTHORIZED",
    unsafe: (value) => value === "0",
    why: "turns certificate checks off; name a private CA with ca_file instead",
  },
  {
    name: "NODE_DEBUG",
    unsafe: (value) => value !== "",
    why: "prints requests, with the secrets in them",
  },
];

/**
 * What authd, Node and the service manager read while the daemon runs, beside what a child gets
 * (child.ts). By name where a family holds secrets, too: NODE_AUTH_TOKEN is npm's.
 */
const NEEDED = new RegExp(
  `^(${[
    "(AUTHD|XDG|DBUS|LISTEN|WATCHDOG|UV)_.*|NOTIFY_SOCKET|CREDENTIALS_DIRECTORY|INVOCATION_ID",
    "NODE_(OPTIONS|EXTRA_CA_CERTS|TLS_REJECT_UNAUTHORIZED|USE_SYSTEM_CA|ICU_DATA|NO_WARNINGS)",
    "TERM|COLORTERM|NO_COLOR|FORCE_COLOR|SSL_CERT_(FILE|DIR)|OPENSSL_(CONF|MODULES)|LD_LIBRARY_PATH",
    // A clock that is set from outside reads its own with every look.
    "FAKETIME.*",
  ].join("|")})$`,
);

/**
 * Refuses an environment in which Node would open a debugger, load foreign code, write heap, traffic
 * or diagnostics to files, or skip certificate checks. NODE_EXTRA_CA_CERTS only adds to the trusted
 * CAs, so it is allowed. Throws AuthdError `invalid_params`.
 */
export function assertSafeEnvironment(env: NodeJS.ProcessEnv, execArgv: readonly string[]): void {
  for (const { name, unsafe, why } of UNSAFE_VARIABLES)
    if (unsafe(env[name] ?? "")) refuse(`${name}=${env[name]} ${why}`, `unset ${name}`);
  const fromVariable = unsafeOption(wordsOf(env.NODE_OPTIONS ?? ""));
  if (fromVariable)
    refuse(`NODE_OPTIONS contains ${fromVariable}`, "run it with: env -u NODE_OPTIONS authd serve");
  const fromArguments = unsafeOption(execArgv);
  if (fromArguments) refuse(`node was started with ${fromArguments}`, "leave that option out");
}

/**
 * Makes this process keep its secrets to itself. Called first in `authd serve`, before any secret
 * is loaded. What authd does not need is taken out of `env`: other programs' secrets are often there.
 * Throws AuthdError: `invalid_params` for an unsafe environment, `internal` if the kernel refuses.
 */
export function harden(env = process.env, execArgv: readonly string[] = process.execArgv): void {
  keepInspectorShut();
  assertSafeEnvironment(env, execArgv);
  if (inspector.url() !== undefined)
    refuse("a debugger is attached to this process", "start it without one");
  process.umask(0o077);
  forgetOthers(env);
  if (process.report) {
    process.report.reportOnFatalError = false;
    process.report.reportOnSignal = false;
    process.report.reportOnUncaughtException = false;
  }
  try {
    forbidCoreDumps();
    if (process.platform === "linux") forbidTracing();
  } catch (cause) {
    throw new AuthdError(
      "internal",
      `authd won't hold secrets in a process that others may look into: ${messageOf(cause)}.`,
      { cause },
    );
  }
}

function forgetOthers(env: NodeJS.ProcessEnv): void {
  const passed = cleanEnvironment(env);
  for (const name of Object.keys(env)) {
    if (!Object.hasOwn(passed, name) && !NEEDED.test(name)) delete env[name];
  }
}

function refuse(what: string, remedy: string): never {
  throw new AuthdError(
    "invalid_params",
    `authd serve refuses to start: ${what}. That could give your secrets away; ${remedy}.`,
  );
}

/** prctl(2): no ptrace and no /proc/PID/mem for our own user, and no core dump through a pipe. */
function forbidTracing(): void {
  const PR_SET_DUMPABLE = 4;
  const prctl = libc("int prctl(int, long, long, long, long)");
  if (prctl?.(PR_SET_DUMPABLE, 0, 0, 0, 0) !== 0) throw lastError("prctl");
}

/** The first option that is not known to be harmless, as Node spells it. */
function unsafeOption(options: readonly string[]): string | undefined {
  return options
    .filter((word) => word.startsWith("-") && word !== "--")
    .map((word) => word.replace(/=.*/s, "").replaceAll("_", "-"))
    .find((name) => !HARMLESS.test(name));
}

/** Node also quotes with `"` and escapes with `\`. Dropping both errs on the side of refusing. */
function wordsOf(options: string): string[] {
  return options.replace(/["\\]/g, "").split(/\s+/);
}
