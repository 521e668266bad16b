import test from "ava";
import { discover } from "../../../src/grants/login/discovery.ts";
import { createHttp } from "../../../src/http/http.ts";
import { createIssuerSend } from "../../../src/http/issuer.ts";
import { startApi } from "../../helpers/api.ts";
import { freePort } from "../../helpers/port.ts";

test("an issuer with a path is looked for at three places, one without at two", async (t) => {
  let answersAt = "";
  const api = await startApi(t, ({ url }, response) => {
    if (url !== answersAt) return response.writeHead(404).end();
    return response.end(JSON.stringify({ issuer: `${api.origin}/tenant` }));
  });
  const http = createHttp();
  t.teardown(() => http.close());
  const send = createIssuerSend({ http, credential: "mail", allowInsecureHttp: false });
  const find = (issuer: string) => discover({ credential: "mail", send }, issuer);
  const places = [
    "/tenant/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server/tenant",
    "/.well-known/openid-configuration/tenant",
  ];
  for (const [index, place] of places.entries()) {
    answersAt = place;
    api.seen.length = 0;
    t.is((await find(`${api.origin}/tenant`)).issuer, `${api.origin}/tenant`);
    t.deepEqual(
      api.seen.map(({ url }) => url),
      places.slice(0, index + 1),
    );
  }
  api.seen.length = 0;
  await t.throwsAsync(find(api.origin), { message: /could not be read/ });
  t.is(api.seen.length, 2);
});

test("metadata that name their issuer by another address, or by none, are not used", async (t) => {
  let named = "";
  const api = await startApi(t, (_, response) => response.end(JSON.stringify({ issuer: named })));
  const http = createHttp();
  t.teardown(() => http.close());
  const send = createIssuerSend({ http, credential: "mail", allowInsecureHttp: false });
  const find = () => discover({ credential: "mail", send }, api.origin);
  for (named of ["", "/", "https://elsewhere.example", `${api.origin}/\u001b[2Jtenant`]) {
    const { message = "" } = (await t.throwsAsync(find(), undefined, named)) ?? {};
    t.regex(message, /it says that it is/);
    t.notRegex(message, /\p{C}/u);
  }
  named = `${api.origin}/`;
  t.is((await find()).issuer, named);
});

test("an issuer that can't be reached: the message says once that there is no token", async (t) => {
  const http = createHttp();
  t.teardown(() => http.close());
  const send = createIssuerSend({ http, credential: "mail", allowInsecureHttp: false });
  const asked = discover({ credential: "mail", send }, `http://127.0.0.1:${await freePort()}`);
  const { message = "" } = (await t.throwsAsync(asked)) ?? {};
  t.is(message.match(/got no token/g)?.length, 1, message);
  t.regex(message, /could not be read: .*127\.0\.0\.1.* Check issuer/);
});
