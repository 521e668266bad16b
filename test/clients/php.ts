/** The PHP client, by the conformance suite and with Guzzle and PSR-18. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { run } from "../helpers/child.ts";
import { conformance } from "../helpers/conformance/conformance.ts";
import { startSandbox } from "../helpers/conformance/sandbox.ts";
import { absent, missing } from "../helpers/optional.ts";
import { ROOT } from "../helpers/sources.ts";

const FOLDER = join(ROOT, "clients/php");

conformance("php", {
  start: () => ({ command: "php", args: [join(FOLDER, "conformance.php")] }),
  programs: ["php"],
  features: ["stream", "upload", "subscribe"],
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
