import test from "ava";
import type { CredentialSettings } from "../../src/config/settings.ts";
import { type Api, type Handler, startApi } from "../helpers/api.ts";
import { requestRefused, startRequests } from "../helpers/request-owner.ts";

const stored: Handler = (_, response) => void response.end("stored");

/** An API that redirects to `storage`, which the credential may follow to. */
async function redirecting(
  t: Parameters<typeof startRequests>[0],
  storage: Pick<Api, "origin">,
  {
    status = 302,
    path = "/file?signature=a%2Fb",
    ...settings
  }: Partial<CredentialSettings> & { status?: number; path?: string } = {},
) {
  return await startRequests(
    t,
    (_, response) =>
      void response.writeHead(status, { location: `${storage.origin}${path}` }).end("moved"),
    { follow: [storage.origin], ...settings },
  );
}

test("a redirect to storage is followed without a header of the credential's, and without the caller's cookie", async (t) => {
  const storage = await startApi(t, stored);
  const { owner, send } = await redirecting(t, storage);
  const sent: string[] = [];
  const answer = await send(
    { headers: { cookie: "a=b", range: "bytes=0-3" } },
    { sends: ({ accessToken }) => void sent.push(accessToken) },
  );
  t.like(answer, { status: 200, body: "stored", url: `${storage.origin}/file?signature=a%2Fb` });
  const { url, headers } = storage.seen[0]!;
  t.is(url, "/file?signature=a%2Fb");
  t.deepEqual(
    [headers.authorization, headers["x-api-key"], headers.cookie],
    [undefined, undefined, undefined],
  );
  t.is(headers.range, "bytes=0-3");
  t.deepEqual(sent, ["first"]);
  t.deepEqual(owner.log, []);
});

test("nothing of query, cookie and body goes to storage, also where the API repeats the query", async (t) => {
  const storage = await startApi(t, stored);
  const placement = {
    query: { key: "{token}" },
    cookie: { session: "{token}" },
    body: { token: "{token}" },
  };
  const { owner, send } = await redirecting(t, storage, {
    ...{ placement, status: 307, path: "/file?key=first&signature=a" },
  });
  owner.headers = { cookie: "session=first" };
  owner.sent = (token) => ({ query: { key: token }, body: { token } });
  const headers = { "content-type": "application/json", cookie: "a=b" };
  await send({ method: "POST", headers, body: '{"a":1}' });
  const [seen] = storage.seen;
  t.is(seen?.url, "/file?signature=a");
  t.is(seen?.body.toString(), '{"a":1}');
  t.notRegex(JSON.stringify(seen?.headers), /first/);
});

test("what storage answers is the caller's: no 401 renews the token, and none is accepted", async (t) => {
  const storage = await startApi(t, (_, response) => void response.writeHead(401).end("expired"));
  const { owner, send } = await redirecting(t, storage, { renewOn: [{ status: 401 }] });
  owner.renew = () => t.fail() as never;
  t.like(await send(), { status: 401, body: "expired", refreshed: false });
  t.deepEqual(owner.log, []);
});

test("no way leads from storage back to the API; another place that is listed is followed to", async (t) => {
  const places: string[] = [];
  const storage = await startApi(t, (seen, response) => {
    const location = places.shift() ?? "/end";
    if (seen.url === "/end") response.end("end");
    else response.writeHead(302, { location }).end("from storage");
  });
  const { api, send } = await redirecting(t, storage);
  places.push(`${api.origin}/private`);
  t.like(await send(), {
    status: 302,
    body: "from storage",
    headers: { location: `${api.origin}/private` },
  });
  t.is(api.seen.length, 1);
  places.push("/further");
  t.like(await send(), { status: 200, body: "end" });
  // An API that is listed, too, gets no token by that way.
  const both = await redirecting(t, storage, { follow: [storage.origin, api.origin] });
  (both.owner.settings.origins as string[]).push(api.origin);
  places.push(`${api.origin}/private`);
  await both.send();
  t.is(api.seen.at(-1)?.url, "/private");
  t.is(api.seen.at(-1)?.headers.authorization, undefined);
});

test("ten redirects are followed in all, an eleventh is not", async (t) => {
  const storage = await startApi(t, (_, response) => {
    response.writeHead(302, { location: "/again" }).end();
  });
  const { send } = await redirecting(t, storage);
  const error = await requestRefused(t, send(), "request_failed");
  t.regex(error.message, /redirects more than 10 times/);
  t.is(storage.seen.length, 10);
});

test("another origin than those listed is the answer, and so is one with a user name", async (t) => {
  const other = await startApi(t, stored);
  const { send } = await redirecting(t, other, {
    follow: ["http://127.0.0.1:9", "https://*.example.com"],
  });
  t.like(await send(), { status: 302, body: "moved" });
  const named = await redirecting(
    t,
    { origin: other.origin.replace("//", "//a:b@") },
    { follow: [other.origin] },
  );
  t.is((await named.send()).status, 302);
  t.is(other.connections, 0);
});

test("rules on paths are about the token: they do not keep a redirect to storage", async (t) => {
  const storage = await startApi(t, stored);
  const { send } = await redirecting(t, storage);
  t.is((await send({}, { admit: () => () => false })).body, "stored");
});
