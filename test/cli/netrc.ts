/** `authd netrc`, read by curl, wget and Python. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { startApi } from "../helpers/api.ts";
import { run } from "../helpers/child.ts";
import { startDaemon } from "../helpers/daemon.ts";
import { absent, missing } from "../helpers/optional.ts";

async function setup(t: ExecutionContext, token = "practice-token") {
  const seen: (string | undefined)[] = [];
  const api = await startApi(t, ({ headers }, response) => {
    seen.push(headers.authorization);
    if (headers.authorization) return void response.end("hello");
    return void response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end();
  });
  const daemon = await startDaemon(t);
  const settings = { origins: [api.origin, "https://other.example:8443"] };
  await daemon.add("demo", { credential: { grant: "static", settings, secrets: { token } } });
  return { daemon, api, seen };
}

const basic = (login: string) =>
  `Basic ${Buffer.from(`${login}:practice-token`).toString("base64")}`;

test("prints a line for each host, which curl, wget and Python read", async (t) => {
  const { daemon, api, seen } = await setup(t);
  const { code, stdout, stderr } = await daemon.cli(["netrc", "demo"]);
  t.is(code, 0, stderr);
  t.is(
    stdout,
    "machine 127.0.0.1 login oauth2 password practice-token\nmachine other.example login oauth2 password practice-token\n",
  );
  const lacking = absent("curl", "wget", "python3");
  if (lacking.length > 0) return missing(t, `${lacking.join(", ")}: not installed`);
  const file = join(daemon.folder, ".netrc");
  writeFileSync(file, stdout, { mode: 0o600 });
  const env = { PATH: process.env.PATH, HOME: daemon.folder };
  t.is((await run(t, "curl", ["-s", "--netrc-file", file, api.origin], { env })).stdout, "hello");
  t.is(seen.at(-1), basic("oauth2"));
  t.is((await run(t, "wget", ["-qO-", api.origin], { env })).stdout, "hello");
  t.is(seen.at(-1), basic("oauth2"));
  const program = `import netrc; print(netrc.netrc(${JSON.stringify(file)}).authenticators("other.example"))`;
  const python = await run(t, "python3", ["-c", program], { env });
  t.is(python.stdout.trim(), "('oauth2', '', 'practice-token')", python.stderr);
  t.regex((await daemon.cli(["netrc", "demo", "--login", "me"])).stdout, /login me password/);
});

test("what a netrc file can't hold, or must not, is refused", async (t) => {
  const { daemon } = await setup(t, "practice token");
  t.is((await daemon.cli(["netrc", "demo"])).code, 2);
  t.is((await daemon.cli(["netrc", "nothing"])).code, 4);
  await daemon.add("nowhere", {
    credential: { grant: "static", settings: {}, secrets: { token: "x" } },
  });
  t.is((await daemon.cli(["netrc", "nowhere"])).code, 6);
  await daemon.add("closed", {
    credential: {
      grant: "static",
      settings: { origins: ["https://a.example"], expose: "request" },
      secrets: { token: "x" },
    },
  });
  const { code, stdout } = await daemon.cli(["netrc", "closed"]);
  t.deepEqual([code, stdout], [6, ""]);
});
