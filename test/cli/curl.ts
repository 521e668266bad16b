/** `authd curl` with the real curl: its own options, and a token that goes to the credential's origins alone. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { decodeJwt } from "jose";
import { findCurlOptions, parseCurlHelp } from "../../src/cli/curl/curl-options.ts";
import { curlConfig, planCurl } from "../../src/cli/curl/plan.ts";
import { startApi } from "../helpers/api.ts";
import { startDaemon } from "../helpers/daemon.ts";
import { startIssuer } from "../helpers/issuer.ts";
import { absent, missing, onUnix } from "../helpers/optional.ts";

async function setup(t: ExecutionContext, settings: Record<string, unknown> = {}) {
  const token_type = settings.dpop ? "DPoP" : "bearer";
  const json = { access_token: "practice-token", token_type, expires_in: 3600 };
  const issuer = await startIssuer(t, { json });
  const elsewhere = await startIssuer(t, { body: "elsewhere" });
  const seen: { method: string; path: string; body: string; headers: object }[] = [];
  const api = await startApi(t, ({ method, url: path, headers, body }, response) => {
    seen.push({ method, path, headers, body: body.toString() });
    if (path === "/away") return void response.writeHead(302, { location: elsewhere.url }).end();
    if (path === "/fail") return void response.writeHead(500).end();
    response.end("hello");
  });
  const daemon = await startDaemon(t);
  const all = { token_url: issuer.url, client_id: "me", origins: [api.origin], ...settings };
  const secrets = { client_secret: "practice-secret" };
  await daemon.add("demo", { credential: { grant: "client_credentials", settings: all, secrets } });
  return {
    daemon,
    api,
    elsewhere,
    seen,
    curl: (...args: string[]) => daemon.cli(["curl", "demo", "-sS", ...args]),
  };
}

onUnix("curl sends the token, whatever its own options are, and ends as it does", async (t) => {
  if (absent("curl").length > 0) return missing(t, "curl is not installed");
  const { daemon, api, seen, curl } = await setup(t);
  const said = await curl(`${api.origin}/a?b=[1-2]`, "-w", "%{http_code}\n", "--silen");
  t.deepEqual([said.code, said.stdout], [0, "hello200\nhello200\n"], said.stderr);
  t.deepEqual(
    seen.map(({ path }) => path),
    ["/a?b=1", "/a?b=2"],
  );
  t.like(seen[0]?.headers, { authorization: "Bearer practice-token" });
  // Standard input stays the person's own, in each of the ways in which curl reads it.
  for (const args of [
    ["-d", "@-"],
    ["-T", "-"],
    ["-F", "file=@-"],
    ["--json", "@-"],
  ]) {
    const { code, stderr } = await daemon.cli(
      ["curl", "demo", "-sS", ...args, `${api.origin}/in`],
      {
        input: '{"typed": 1}',
      },
    );
    t.is(code, 0, stderr);
    t.true(seen.at(-1)?.body.includes('{"typed": 1}'), args.join(" "));
  }
  const file = join(daemon.folder, "out");
  t.is((await curl("/path", "-so", file, "-XDELETE")).code, 0, "a path alone is enough");
  t.is(readFileSync(file, "utf8"), "hello");
  t.like(seen.at(-1), { method: "DELETE", path: "/path" });
  t.is((await curl("--fail", "--url", `${api.origin}/fail`)).code, 22);
  t.is((await daemon.cli(["curl", "nothing", api.origin])).code, 4);
  t.regex((await daemon.cli(["curl", "--help"])).stdout, /authd curl <name>/);
});

onUnix("the token is in none of curl's arguments, nor in a file with a name", async (t) => {
  if (absent("curl").length > 0) return missing(t, "curl is not installed");
  const { daemon, api } = await setup(t);
  const fake = join(daemon.folder, "curl");
  const found = join(daemon.folder, "found");
  const help = '[ "$1" = --help ] && exec /usr/bin/env PATH="$REAL" curl "$@"';
  const script = `#!/bin/sh\n${help}\nprintf '%s ' "$@" > "${found}"; cat /dev/fd/3 >> "${found}.config"\n`;
  writeFileSync(fake, script, { mode: 0o755 });
  const env = { PATH: `${daemon.folder}:${process.env.PATH}`, REAL: process.env.PATH };
  const { code, stderr } = await daemon.cli(["curl", "demo", `${api.origin}/x`], { env });
  t.is(code, 0, stderr);
  t.is(readFileSync(found, "utf8"), `-K /dev/fd/3 ${api.origin}/x `);
  t.is(
    readFileSync(`${found}.config`, "utf8"),
    'no-location-trusted\nheader = "authorization: Bearer practice-token"\n',
  );
});

onUnix("no other origin gets the token: not by a URL, an option or a redirect", async (t) => {
  if (absent("curl").length > 0) return missing(t, "curl is not installed");
  const { daemon, api, elsewhere, seen, curl } = await setup(t, { "headers.x-api-key": "{token}" });
  const host = new URL(api.origin).host;
  for (const url of [
    elsewhere.url,
    `http://me@${host}/`,
    `http://${host}@localhost/`,
    `${api.origin}\\@localhost/`,
    `http://{${host},localhost}/`,
    host,
    "ftp://localhost/",
    `@${daemon.folder}`,
  ]) {
    for (const args of [[url], ["--url", url], [api.origin, "--", url], ["-sS", "-o", "x", url]]) {
      const { code, stderr } = await curl(...args);
      t.is(code, 6, `${args.join(" ")}: ${stderr}`);
    }
  }
  for (const args of [
    ["-K", "x"],
    ["--location-trusted"],
    ["--location-t"],
    ["--next", elsewhere.url],
    ["-:", elsewhere.url],
    ["--libcurl", join(daemon.folder, "x.c")],
    ["-H", "Authorization: mine"],
    ["-HX-Api-Key;"],
    ["-L"],
    ["-sL"],
    ["--no-such-option"],
    ["-o"],
  ]) {
    const { code, stderr } = await curl(api.origin, ...args);
    t.is(code, 2, `${args.join(" ")}: ${stderr}`);
  }
  t.is(seen.length, 0);
  t.is(elsewhere.requests.length, 0);
  t.false(existsSync(join(daemon.folder, "x.c")));
  t.is((await daemon.cli(["curl", "demo"])).code, 2);
});

onUnix("a redirect elsewhere goes without the token; .curlrc has no say in that", async (t) => {
  if (absent("curl").length > 0) return missing(t, "curl is not installed");
  const { daemon, api, elsewhere, curl } = await setup(t);
  writeFileSync(join(daemon.folder, ".curlrc"), "location-trusted\n");
  t.is((await curl(`${api.origin}/away`)).stdout, "");
  t.is(elsewhere.requests.length, 0);
  t.is((await curl("-L", `${api.origin}/away`)).stdout, "elsewhere");
  t.is(elsewhere.requests[0]?.headers.authorization, undefined);
  // A token that stands in a header of another name would be taken along.
  t.is((await daemon.cli(["set", "demo", "--set", "headers.x-key={token}"])).code, 0);
  await daemon.cli(["trust", "demo", "--yes"]);
  const before = elsewhere.requests.length;
  t.is((await curl(`${api.origin}/away`)).code, 0);
  t.is(elsewhere.requests.length, before);
});

onUnix("a .curlrc gives the token to no URL of its own, and keeps it from none", async (t) => {
  if (absent("curl").length > 0) return missing(t, "curl is not installed");
  const { daemon, api, elsewhere, seen, curl } = await setup(t);
  const file = join(daemon.folder, ".curlrc");
  const { url } = elsewhere;
  for (const text of [
    `url = ${url}`,
    `  url: "${url}"`,
    `silent\n--url ${url}`,
    "next",
    `url = ${url}\nnext`,
    "nex",
    "-:",
    "-s:",
    `config = "${join(daemon.folder, "more")}"`,
    "-Kmore",
    "-sK more",
    'libcurl "x.c"',
    'header = "Authorization: mine"',
  ]) {
    writeFileSync(file, `# mine\nuser-agent = "me"\n${text}\n`);
    const { code, stderr } = await curl(`${api.origin}/x`);
    t.is(code, 2, `${text}: ${stderr}`);
  }
  const quiet = await daemon.cli(["curl", "demo", "-q", "-sS", `${api.origin}/quiet`]);
  t.deepEqual([quiet.code, quiet.stdout], [0, "hello"], quiet.stderr);
  t.is(elsewhere.requests.length, 0);
  t.deepEqual(
    seen.map(({ path }) => path),
    ["/quiet"],
  );
  t.false(existsSync("x.c"));
  const xdg = join(daemon.folder, ".config");
  mkdirSync(xdg, { recursive: true });
  writeFileSync(join(xdg, "curlrc"), `url = ${url}\n`);
  writeFileSync(file, "");
  t.regex((await curl(`${api.origin}/x`)).stderr, /curlrc has url: .* With -q/);
  rmSync(join(xdg, "curlrc"));
  // The rest of it counts as always.
  writeFileSync(
    file,
    `user-agent = "me"\nunknown-here\n# url = ${url}\nsilent url = ${url}\nrequest PUT`,
  );
  t.is((await curl(`${api.origin}/x`)).code, 0);
  t.like(seen.at(-1), { method: "PUT", path: "/x" });
  t.like(seen.at(-1)?.headers, { "user-agent": "me", authorization: "Bearer practice-token" });
  t.is(elsewhere.requests.length, 0);
});

onUnix("a bound token signs the one request, by its method and URL", async (t) => {
  if (absent("curl").length > 0) return missing(t, "curl is not installed");
  const { daemon, api, seen, curl } = await setup(t, { dpop: true });
  for (const [args, method] of [
    [[], "GET"],
    [["-d", "x"], "POST"],
    [["-d", "x", "-G"], "GET"],
    [["-I"], "HEAD"],
    [["-XPATCH", "--json", "{}"], "PATCH"],
  ] as const) {
    t.is((await curl(...args, `${api.origin}/v1?a=1`)).code, 0);
    const { headers } = seen.at(-1)!;
    const proof = decodeJwt((headers as { dpop: string }).dpop);
    t.like(proof, { htm: method, htu: `${api.origin}/v1` });
  }
  writeFileSync(join(daemon.folder, ".curlrc"), "request = PUT\n");
  t.is((await curl(`${api.origin}/v1`)).code, 0);
  t.is(decodeJwt((seen.at(-1)!.headers as { dpop: string }).dpop).htm, "PUT");
  t.is((await curl(api.origin, `${api.origin}/2`)).code, 2);
  t.is((await curl(`${api.origin}/[1-2]`)).code, 2);
});

const HELP = `Usage: curl [options...] <url>
 -d, --data <data>        HTTP POST data
     --data-raw <data>    HTTP POST data, '@' allowed
 -L, --location           Follow redirects
     --location-trusted   Like --location, and send auth to other hosts
 -o, --output <file>      Write to file
 -s, --silent             Silent mode
 -H, --header <header/@file> Pass custom header(s) to server
     --url <url>          URL to work with
`;

test("options are found as curl reads them", (t) => {
  const options = parseCurlHelp(HELP);
  t.is(options.size, 8);
  const found = (...args: string[]) =>
    findCurlOptions(args, options).map(({ name, value }) => `${name}=${value ?? ""}`);
  t.deepEqual(found("-sLo", "f", "u"), ["silent=", "location=", "output=f", "url=u"]);
  t.deepEqual(found("-sof", "-d", "-L", "u"), ["silent=", "output=f", "data=-L", "url=u"]);
  t.throws(() => found("--loc"), { message: /has no option --loc, or several/ });
});

test("no header of another name goes along with a redirect, whichever option follows it", async (t) => {
  const options = parseCurlHelp(`${HELP}     --follow             Follow redirects per spec\n`);
  const about = { credential: "demo", origins: ["https://a.example"] };
  const whole = async (url: string) => url;
  const token = { accessToken: "x", tokenType: "Bearer", expiresAt: null };
  for (const option of ["-L", "--location", "--follow", "-sL"]) {
    const plan = await planCurl([option, "https://a.example/"], options, { ...about, whole });
    const config = (headers: Record<string, string>) =>
      curlConfig("demo", plan, { ...token, headers });
    t.throws(() => config({ "x-api-key": "x" }), { message: /x-api-key along to other hosts/ });
    t.regex(config({ authorization: "Bearer x" }), /authorization: Bearer x/);
  }
});

test("quotes in a header are one header for curl", async (t) => {
  const plan = await planCurl(["https://a.example/"], parseCurlHelp(HELP), {
    ...{ credential: "demo", origins: ["https://a.example"] },
    whole: async (url) => url,
  });
  const headers = { authorization: 'Bearer "a\\b"' };
  const token = { accessToken: "x", tokenType: "Bearer", expiresAt: null, headers };
  t.regex(curlConfig("demo", plan, token), /^header = "authorization: Bearer \\"a\\\\b\\""$/m);
});
