import inspector from "node:inspector";
import { cleanEnvironment } from "../base/child.ts";
import { disableCoreDumps, disableInspectorSignal } from "../base/core-dump.ts";
import { lastError, libc } from "../base/libc.ts";
import { AuthdError, messageOf } from "../errors.ts";
import { readerOfOurMemory } from "./own-memory.ts";

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

const isSet = (value: string) => value !== "";
const LOADS_CODE = "has foreign code loaded into this process";

/** Variables that make the loader, OpenSSL or Node give something away, with what they do. */
const UNSAFE_VARIABLES: readonly {
  name: RegExp;
  unsafe: (value: string) => boolean;
  why: string;
}[] = [
  {
    name: /^NODE_TLS_REJECT_UNAUTHORIZED$/,
    unsafe: (value) => value === "0",
    why: "turns certificate checks off; name a private CA with ca_file instead",
  },
  {
    name: /^NODE_DEBUG(_NATIVE)?$/,
    unsafe: isSet,
    why: "prints requests, with the secrets in them",
  },
  {
    name: /^(NODE_(V8_COVERAGE|REDIRECT_WARNINGS)|LD_(DEBUG|PROFILE)(_OUTPUT)?)$/,
    unsafe: isSet,
    why: "writes down what this process does",
  },
  { name: /^NODE_(PATH|COMPILE_CACHE|REPL_EXTERNAL_MODULE)$/, unsafe: isSet, why: LOADS_CODE },
  { name: /^LD_(PRELOAD|AUDIT|LIBRARY_PATH|ORIGIN_PATH)$/, unsafe: isSet, why: LOADS_CODE },
  { name: /^(DYLD_.*|GCONV_PATH)$/, unsafe: isSet, why: LOADS_CODE },
  { name: /^OPENSSL_(CONF|CONF_INCLUDE|MODULES|ENGINES)$/, unsafe: isSet, why: LOADS_CODE },
  {
    name: /^SSLKEYLOGFILE$/,
    unsafe: isSet,
    why: "has the keys of TLS connections written to a file",
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
    "TERM|COLORTERM|NO_COLOR|FORCE_COLOR|SSL_CERT_(FILE|DIR)",
    // A clock that is set from outside reads its own with every look.
    "FAKETIME.*",
  ].join("|")})$`,
);

/**
 * Refuses an environment in which Node, the loader or OpenSSL would open a debugger, load foreign code,
 * write heap, traffic, keys or diagnostics to files, or skip certificate checks. What was loaded by then
 * could have hidden its variable: this keeps accidents away, not a program that starts the daemon. NODE_EXTRA_CA_CERTS only adds to the trusted
 * CAs, so it is allowed. Throws AuthdError `invalid_params`.
 */
export function assertSafeEnvironment(env: NodeJS.ProcessEnv, execArgv: readonly string[]): void {
  for (const { name: pattern, unsafe, why } of UNSAFE_VARIABLES) {
    for (const [name, value = ""] of Object.entries(env)) {
      if (pattern.test(name) && unsafe(value)) refuse(`${name}=${value} ${why}`, `unset ${name}`);
    }
  }
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
  disableInspectorSignal();
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
    disableCoreDumps();
    if (process.platform === "linux") forbidTracing();
  } catch (cause) {
    throw new AuthdError(
      "internal",
      `authd won't hold secrets in a process that others may look into: ${messageOf(cause)}.`,
      { cause },
    );
  }
  const reader = process.platform === "linux" ? readerOfOurMemory() : undefined;
  if (reader !== undefined) refuse(`${reader}, from before it could forbid that`, "end that first");
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
