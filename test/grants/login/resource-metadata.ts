import test, { type ExecutionContext } from "ava";
import { readResourceMetadata } from "../../../src/grants/login/resource-metadata.ts";
import { createHttp } from "../../../src/http/http.ts";
import { createIssuerSend } from "../../../src/http/issuer.ts";
import { type Handler, startApi } from "../../helpers/api.ts";

const WELL_KNOWN = "/.well-known/oauth-protected-resource";

/** An API at /mcp whose metadata `handler` answers. */
async function setup(t: ExecutionContext, handler: Handler) {
  const api = await startApi(t, handler);
  const http = createHttp();
  t.teardown(() => http.close());
  const send = createIssuerSend({
    ...{ http, credential: "notes", allowInsecureHttp: false, timeoutMs: 1_000 },
  });
  const read = (path = "/mcp", metadataUrl?: string) =>
    readResourceMetadata(
      { credential: "notes", send },
      new URL(path, api.origin),
      metadataUrl === undefined ? {} : { metadataUrl },
    );
  return { api, read };
}

/** Answers documents by their path. */
const documents =
  (byPath: Record<string, object>): Handler =>
  ({ url }, response) => {
    const found = byPath[url];
    response.writeHead(found ? 200 : 404, { "content-type": "application/json" });
    response.end(JSON.stringify(found ?? {}));
  };

const SERVERS = { authorization_servers: ["https://login.example.com"] };

test("without a challenge the well-known place of its path comes first, then that of its origin", async (t) => {
  const byPath: Record<string, object> = {};
  const { api, read } = await setup(t, documents(byPath));
  byPath[WELL_KNOWN] = { ...SERVERS, resource: api.origin };
  t.is((await read()).resource, api.origin);
  t.deepEqual(
    api.seen.map(({ url }) => url),
    [`${WELL_KNOWN}/mcp`, WELL_KNOWN],
  );
  byPath[`${WELL_KNOWN}/mcp`] = { ...SERVERS, resource: `${api.origin}/mcp` };
  t.is((await read()).resource, `${api.origin}/mcp`);
  byPath[`${WELL_KNOWN}/mcp?tenant=1`] = { ...SERVERS, resource: `${api.origin}/mcp?tenant=1` };
  t.is((await read("/mcp?tenant=1")).resource, `${api.origin}/mcp?tenant=1`);
});

test("metadata about another resource are not used, wherever they were found", async (t) => {
  const byPath: Record<string, object> = {};
  const { api, read } = await setup(t, documents(byPath));
  const at = (path: string, resource: string) => {
    byPath[path] = { ...SERVERS, resource };
  };
  for (const other of [
    "https://evil.example/mcp",
    `${api.origin}/mcp/`,
    `${api.origin}/other`,
    "x",
  ]) {
    at(`${WELL_KNOWN}/mcp`, other);
    await t.throwsAsync(read(), { message: /can't be used: .* is about/ }, other);
  }
  // The origin's own metadata are not those of a path, where the challenge names them.
  at("/meta", api.origin);
  const near = new RegExp(`authd add notes --resource ${api.origin}/`);
  await t.throwsAsync(read("/mcp", `${api.origin}/meta`), { message: near });
  at("/meta", `${api.origin}/mcp`);
  t.is((await read("/mcp", `${api.origin}/meta`)).resource, `${api.origin}/mcp`);
});

test("no metadata, a page, and metadata without an authorization server are told as such", async (t) => {
  const { api, read } = await setup(t, ({ url }, response) => {
    if (url.endsWith("/page")) return response.end("<!doctype html><p>Welcome</p>");
    if (url.endsWith("/none"))
      return response.end(JSON.stringify({ resource: `${api.origin}/none` }));
    return response.writeHead(404).end();
  });
  await t.throwsAsync(read("/mcp"), { message: /HTTP 404 without any; .*--set issuer=…/ });
  await t.throwsAsync(read("/page"), { message: /HTTP 200 without any/ });
  await t.throwsAsync(read("/none"), { message: /names no authorization server/ });
});

test("metadata that never end, or are huge, cost a limit of time and memory", async (t) => {
  const { read } = await setup(t, ({ url }, response) => {
    if (url.endsWith("/slow")) return response.write("{");
    response.write("[");
    return response.end(" ".repeat(2 * 1024 ** 2));
  });
  await t.throwsAsync(read("/slow"), { message: /did not answer completely/ });
  await t.throwsAsync(read("/huge"), { message: /more than 1024 KiB/ });
});

test("a redirect is not followed; a challenge's address that may not be asked is refused unasked", async (t) => {
  const { api, read } = await setup(t, (_, response) =>
    response.writeHead(302, { location: "http://127.0.0.1:1/" }).end(),
  );
  await t.throwsAsync(read(), { message: /redirects to/ });
  const before = api.seen.length;
  for (const address of ["http://mcp.example.com/meta", "file:///etc/passwd", "nonsense"])
    await t.throwsAsync(read("/mcp", address), { message: /names as resource_metadata/ });
  t.is(api.seen.length, before);
});
