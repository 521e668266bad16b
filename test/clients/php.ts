/** The PHP client, by the conformance suite and with Guzzle and PSR-18. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { run, start } from "../helpers/child.ts";
import { conformance } from "../helpers/conformance/conformance.ts";
import { startSandbox } from "../helpers/conformance/sandbox.ts";
import { absent, missing } from "../helpers/optional.ts";
import { startScriptedDaemon } from "../helpers/scripted-daemon.ts";
import { ROOT } from "../helpers/sources.ts";
import { until } from "../helpers/until.ts";

const FOLDER = join(ROOT, "clients/php");

conformance("php", {
  start: () => ({ command: "php", args: [join(FOLDER, "conformance.php")] }),
  programs: ["php"],
  features: ["cancel", "stream", "upload", "subscribe"],
});

test("every file of the PHP client is PHP", async (t) => {
  if (absent("php").length > 0) return missing(t, "php is not installed");
  const files = readdirSync(FOLDER, { recursive: true, encoding: "utf8" });
  const sources = files.filter((name) => name.endsWith(".php"));
  t.true(sources.length > 10);
  for (const name of sources) {
    const { code, stdout, stderr } = await run(t, "php", ["-l", join(FOLDER, name)]);
    t.is(code, 0, stdout + stderr);
  }
});

test("PSR-18 and Guzzle send by authd", async (t) => {
  if (absent("php").length > 0) return missing(t, "php is not installed");
  const guzzle = "require '/usr/share/php/GuzzleHttp/autoload.php';";
  if ((await run(t, "php", ["-r", guzzle])).code !== 0)
    return missing(t, "Debian's php-guzzlehttp-guzzle is not installed");
  const { socket, values } = await startSandbox(t);
  const env = { ...process.env, AUTHD_SOCKET: socket, LABELF_URL: values.labelf };
  const { code, stdout, stderr } = await run(t, "php", [join(FOLDER, "tests/adapters.php")], {
    env,
  });
  return t.is(code, 0, stdout + stderr);
});

test("what a signal handler throws takes a call back", async (t) => {
  if (absent("php").length > 0) return missing(t, "php is not installed");
  const seen: string[] = [];
  const result = { accessToken: "quick", tokenType: "Bearer", expiresAt: null, headers: {} };
  const socket = await startScriptedDaemon(t, async (method, params) => {
    seen.push(`${method} ${JSON.stringify(params)}`);
    if (JSON.stringify(params).includes("quick")) return { result };
    return await new Promise(() => {});
  });
  const { child, ended } = start(t, "php", [join(FOLDER, "tests/signals.php")], {
    env: { ...process.env, AUTHD_SOCKET: socket },
  });
  await until(() => seen.length === 1);
  child.kill("SIGUSR1");
  const { code, stdout, stderr } = await ended;
  t.is(code, 0, stdout + stderr);
  return t.deepEqual(seen, [
    'getToken {"credential":"slow"}',
    '$/cancelRequest {"id":1}',
    'getToken {"credential":"quick"}',
  ]);
});
