import { readFileSync } from "node:fs";
import test from "ava";
import { cleanEnvironment } from "../../src/base/child.ts";
import { assertSafeEnvironment } from "../../src/daemon/harden.ts";
import { AuthdError } from "../../src/errors.ts";
import { run, start } from "../helpers/child.ts";
import { makeHome } from "../helpers/daemon.ts";
import { asRoot, onLinux } from "../helpers/optional.ts";

const HARDEN = `
  const { harden } = await import(${JSON.stringify(import.meta.resolve("../../src/daemon/harden.js"))});
  harden(process.env, []);`;
const WAIT = `console.log("started"); setInterval(() => {}, 1000);`;
const args = (source: string) => ["--input-type=module", "-e", source];

for (const options of [
  "--inspect",
  "--inspect=0",
  "--inspect-brk=9229",
  "--inspect_port=1",
  "--debug-port=1",
  "--require ./x.js",
  "-r ./x.js",
  "--import=./x.mjs",
  "--loader ./x.mjs",
  "--experimental-loader=./x.mjs",
  "--cpu-prof",
  "--heap-prof",
  "--heapsnapshot-signal=SIGUSR2",
  "--heapsnapshot-near-heap-limit=1",
  "--diagnostic-dir=/tmp",
  "--report-on-signal",
  "--report-uncaught-exception",
  "--redirect-warnings=x",
  "--env-file=.env",
  "--tls-keylog=keys",
  "--trace-tls",
  "--tls-min-v1.0",
  "--openssl-config=x",
  "--insecure-http-parser",
  "--abort-on-uncaught-exception",
  "--max-old-space-size=100 --inspect",
  '"--inspect"',
  '"--ins\\pect"',
  "--something-of-a-newer-node",
])
  test(`NODE_OPTIONS with ${options} is refused`, (t) => {
    const error = t.throws(() => assertSafeEnvironment({ NODE_OPTIONS: options }, []), {
      instanceOf: AuthdError,
      message: /^authd serve refuses to start: NODE_OPTIONS contains -.*env -u NODE_OPTIONS/,
    });
    t.is(error.reason, "invalid_params");
    t.throws(() => assertSafeEnvironment({}, options.replace(/["\\]/g, "").split(" ")), {
      message: /node was started with -/,
    });
  });

test("options that do no harm are accepted", (t) => {
  const NODE_OPTIONS =
    "--max-old-space-size=512 --max_semi_space_size=1 --enable-source-maps --no-warnings  " +
    "--dns-result-order ipv4first --use-system-ca --tls-min-v1.2 --unhandled-rejections=strict " +
    '--title "my daemon" --no-network-family-autoselection --expose-gc --stack-trace-limit=50';
  t.notThrows(() => assertSafeEnvironment({ NODE_OPTIONS }, NODE_OPTIONS.split(" ")));
  t.notThrows(() => assertSafeEnvironment({ NODE_OPTIONS: "" }, []));
  t.notThrows(() => assertSafeEnvironment({ NODE_EXTRA_CA_CERTS: "/etc/company.pem" }, ["--"]));
});

test("variables that weaken TLS or print requests are refused by name", (t) => {
  t.throws(() => assertSafeEnvironment({ NODE_TLS_REJECT_UNAUTHORIZED: "0" }, []), {
    message: /NODE_TLS_REJECT_UNAUTHORIZED=0 turns certificate checks off.*ca_file/,
  });
  t.notThrows(() => assertSafeEnvironment({ NODE_TLS_REJECT_UNAUTHORIZED: "1" }, []));
  t.throws(() => assertSafeEnvironment({ NODE_DEBUG: "http,tls" }, []), { message: /NODE_DEBUG/ });
});

for (const [name, why] of [
  ["LD_PRELOAD", /foreign code/],
  ["LD_LIBRARY_PATH", /foreign code/],
  ["LD_AUDIT", /foreign code/],
  ["DYLD_INSERT_LIBRARIES", /foreign code/],
  ["OPENSSL_CONF", /foreign code/],
  ["OPENSSL_MODULES", /foreign code/],
  ["NODE_PATH", /foreign code/],
  ["NODE_COMPILE_CACHE", /foreign code/],
  ["NODE_V8_COVERAGE", /writes down/],
  ["SSLKEYLOGFILE", /keys of TLS/],
] as const) {
  test(`${name} is refused, by name and with what helps`, (t) => {
    const refused = () => assertSafeEnvironment({ [name]: "/tmp/x" }, []);
    const error = t.throws<AuthdError>(refused, { message: new RegExp(`${name}=.*unset ${name}`) });
    t.regex(error.message, why);
    t.is(error.reason, "invalid_params");
    t.notThrows(() => assertSafeEnvironment({ [name]: "" }, []));
    t.false(Object.hasOwn(cleanEnvironment({ [name]: "/tmp/x", PATH: "/bin" }), name));
  });
}

test("the daemon does not start where foreign code would be loaded", async (t) => {
  const { code, stderr } = await makeHome(t).cli(["serve"], {
    env: { OPENSSL_CONF: "/dev/null", NODE_PATH: "/tmp" },
  });
  t.is(code, 2);
  t.regex(stderr, /refuses to start: (OPENSSL_CONF|NODE_PATH)=/);
});

onLinux("SIGUSR1 opens no debugger, and the umask is 077", async (t) => {
  const source = `${HARDEN}
    const inspector = await import("node:inspector");
    process.on("SIGUSR1", () => setTimeout(() => {
      console.log("debugger: " + inspector.url() + ", umask " + process.umask().toString(8));
      process.exit();
    }, 100));
    ${WAIT}`;
  const daemon = start(t, process.execPath, args(source));
  await daemon.says("started");
  daemon.child.kill("SIGUSR1");
  const { stdout, stderr } = await daemon.ended;
  t.regex(stdout, /debugger: undefined, umask 77/);
  t.notRegex(stderr, /Debugger listening/);
});

test("variables that authd does not need are taken out of the environment", async (t) => {
  const kept = ["AUTHD_LOG_LEVEL", "LC_ALL", "NODE_EXTRA_CA_CERTS", "NO_COLOR", "XDG_RUNTIME_DIR"];
  const dropped = ["AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "NODE_AUTH_TOKEN", "PGPASSWORD"];
  const names = [...kept, ...dropped, "HTTPS_PROXY", "NODE_USE_ENV_PROXY", "LD_PRELOAD_X"];
  // A newer Node looks at the proxy itself, and ends if that is no URL.
  const settingOf = (name: string) => (name === "HTTPS_PROXY" ? "http://127.0.0.1:9" : "1");
  const env = Object.fromEntries(names.map((name) => [name, settingOf(name)]));
  const source = `${HARDEN} console.log(Object.keys(process.env).sort().join());`;
  const { stdout } = await run(t, process.execPath, args(source), {
    env: { ...env, PATH: "/bin" },
  });
  t.deepEqual(stdout.trim().split(",").sort(), [...kept, "PATH"].sort());
});

onLinux("no core dump is written", async (t) => {
  const daemon = start(t, process.execPath, args(`${HARDEN} ${WAIT}`));
  await daemon.says("started");
  const limits = readFileSync(`/proc/${daemon.child.pid}/limits`, "utf8");
  t.regex(limits, /^Max core file size\s+0\s+0\s/m);
});

asRoot("other processes of the same user can't look into this one", async (t) => {
  const user = ["--reuid=65533", "--regid=65533", "--clear-groups", process.execPath];
  const look = async (source: string) => {
    const daemon = start(t, "setpriv", [...user, ...args(source)]);
    await daemon.says("started");
    const reader = `
      try { require("node:fs").readFileSync("/proc/${daemon.child.pid}/environ"); console.log("read"); }
      catch (error) { console.log(error.code); }`;
    return (await run(t, "setpriv", [...user, "-e", reader])).stdout;
  };
  t.is(await look(WAIT), "read\n");
  t.is(await look(`${HARDEN} ${WAIT}`), "EACCES\n");
});

test("a debugger that is open already is refused", async (t) => {
  const source = `
    const inspector = await import("node:inspector");
    inspector.open(0, "127.0.0.1");
    try { ${HARDEN} console.log("hardened"); }
    catch (error) { console.log(error.reason + ": " + error.message); }
    inspector.close();`;
  const { stdout } = await run(t, process.execPath, args(source));
  t.regex(stdout, /^invalid_params: .*debugger is attached/);
});
