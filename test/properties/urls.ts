/** URLs against `origins`: what is let through goes to where it was looked up, and nowhere else. */
import fc from "fast-check";
import { resolveCredential } from "../../src/config/config.ts";
import { AuthdError } from "../../src/errors.ts";
import { createHttp } from "../../src/http/http.ts";
import { allowedUrl } from "../../src/request/origin.ts";
import {
  authorizedRequest,
  type Issued,
  type RequestCredential,
} from "../../src/request/request.ts";
import { type Api, startApi } from "../helpers/api.ts";
import type { Scope } from "../helpers/scope.ts";
import { mutated, mutation, oddText } from "./odd.ts";
import { type Checkable, demand, type Property } from "./property.ts";

export const urls: readonly Property[] = [
  { name: "urls-origins", runs: 1_000, start: () => listedOnly },
  { name: "urls-sent", runs: 200, start: sentThere },
  { name: "urls-redirects", runs: 60, start: redirectedThere },
];

const ORIGINS = [
  "https://api.example.com",
  "https://api.example.com:8443",
  "http://127.0.0.1:8000",
  "http://[::1]:8000",
  "https://xn--pi-7kc.example",
];

/** What can stand around a host, so that parsers disagree on which host it is. */
const glue = fc.constantFrom(
  ...["", "", "", "@", ":", ":@", "/", "//", "\\", "\\@", "#", "#@", "?", "?@", "%2f", "%40", ".."],
  ...["\t", "\n", "\r", "\0", " ", "\u00a0", "\u3002", "\u200b", "\u00ad", ":443", ":80", ";", "."],
  ...["user:pw@", "evil.example", ".evil.example", "evil.example/", "evil.example\\", "[", "]"],
);
const scheme = fc.constantFrom(
  ...["https://", "http://", "HTTPS://", "https:", "https:/", "http:\\\\", "//", "blob:https://"],
  ...["file://", "javascript:", "ws://", "ht\ntps://", " https://", "https:///"],
);

/** A URL put together of hosts, some of them among `hosts`. */
function urlOf(hosts: readonly string[]): fc.Arbitrary<string> {
  const host = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...hosts) },
    fc.constantFrom(
      ...["evil.example", "2130706433:8000", "0x7f.1:8000", "127.1:8000", "[::ffff:7f00:1]:8000"],
      ...[
        "API.example.com",
        "api。example.com",
        "аpi.example",
        "api.example.com.",
        "localhost:8000",
      ],
    ),
  );
  const path = fc.oneof(fc.constantFrom("", "/", "/a?b#c", "/%2e%2e/", "/a/../b", "?q"), oddText);
  const parts = fc
    .tuple(scheme, glue, host, glue, fc.oneof(fc.constant(""), host), path)
    .map((all) => all.join(""));
  const changed = fc
    .tuple(parts, fc.array(mutation, { minLength: 1, maxLength: 2 }))
    .map(([text, changes]) => mutated(Buffer.from(text), changes).toString());
  const simple = fc
    .tuple(fc.constantFrom("http://", "https://"), fc.constantFrom(...hosts), path)
    .map((all) => all.join(""));
  return fc.oneof(parts, changed, simple);
}

const hostsOf = (origins: readonly string[]) => origins.map((origin) => new URL(origin).host);

/** The URL if it is allowed; otherwise it must have been refused by name. */
function allowed(text: string, origins: readonly string[]): URL | undefined {
  try {
    return allowedUrl(text, { name: "demo", origins });
  } catch (error) {
    demand(error instanceof AuthdError, `${error}`);
    demand(["invalid_params", "origin_not_allowed"].includes(error.reason), error.message);
    demand(error.message.startsWith("demo: "), error.message);
    demand(!/[\0-\x1f]/.test(error.message), "control characters in a message");
    return undefined;
  }
}

const listedOnly: Checkable = fc.property(urlOf(hostsOf(ORIGINS)), (text) => {
  const url = allowed(text, ORIGINS);
  if (!url) return;
  demand(ORIGINS.includes(new URL(text).origin), `${new URL(text).origin} is none of them`);
  demand(ORIGINS.includes(new URL(url.href).origin), `it becomes ${url.href}`);
  demand(url.username === "" && url.password === "" && url.hash === "", `it becomes ${url.href}`);
  // Whatever another parser takes for the host: there is nothing in it that leads elsewhere.
  const authority = /^\s*https?:\/*([^/?#]*)/i.exec(text)?.[1] ?? "";
  const host = authority.replace(/^:?@/, "");
  demand(!/[\\@\t\r\n]/.test(host), `ambiguous: ${JSON.stringify(text)}`);
});

/** An API that the credential may use, and another that it may not. */
async function twoApis(scope: Scope) {
  const good = await startApi(scope, (_seen, response) => void response.end("yes"));
  const evil = await startApi(scope, (_seen, response) => void response.end("no"));
  const http = createHttp();
  scope.teardown(() => http.close());
  const issued = { accessToken: "t", answer: { headers: { authorization: "Bearer t" } } } as const;
  const settings = resolveCredential(
    ...(["demo", { grant: "static", origins: [good.origin] }, {}, { configDir: "/" }] as const),
  );
  const credential: RequestCredential = {
    name: "demo",
    settings,
    token: () => issued as unknown as Issued,
    recordAccepted: () => {},
    refreshAfter401: async () => undefined,
    stepUp: async () => undefined,
  };
  const send = (url: string) =>
    authorizedRequest(
      ...([credential, http, { credential: "demo", url }] as const),
      ...([{ signal: new AbortController().signal }] as const),
    );
  return { good, evil, send };
}

function isUntouched(evil: Api): void {
  demand(evil.connections === 0, "something was sent to a host that is not listed");
}

async function sentThere(scope: Scope): Promise<Checkable> {
  const { good, evil, send } = await twoApis(scope);
  return fc.asyncProperty(urlOf(hostsOf([good.origin, evil.origin])), async (text) => {
    good.seen.length = 0;
    const url = allowed(text, [good.origin]);
    const status = await send(text).then(
      (answer) => answer.status,
      (error) => {
        demand(error instanceof AuthdError && error.reason !== "internal", `${error}`);
        return error.reason;
      },
    );
    isUntouched(evil);
    const [seen] = good.seen;
    demand((seen !== undefined) === (url !== undefined), `${url?.href}: ${status}`);
    if (!seen || !url) return;
    demand(seen.headers.host === url.host, `host: ${seen.headers.host}`);
    demand(seen.url === url.pathname + url.search, `${seen.url} instead of ${url.href}`);
  });
}

/** Wherever an answer redirects to. */
async function redirectedThere(scope: Scope): Promise<Checkable> {
  const { good, evil, send } = await twoApis(scope);
  let location = "";
  let status = 302;
  good.server.removeAllListeners("request");
  good.server.on("request", (request, response) => {
    if (request.url !== "/start") return void response.end("arrived");
    const line = `HTTP/1.1 ${status} Elsewhere\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`;
    request.socket.end(line);
  });
  const target = urlOf(hostsOf([good.origin, evil.origin]));
  const statuses = fc.constantFrom(301, 302, 303, 307, 308);
  return fc.asyncProperty(fc.oneof(target, oddText), statuses, async (text, code) => {
    [location, status] = [text, code];
    await send(`${good.origin}/start`).catch((error) => {
      demand(error instanceof AuthdError && error.reason !== "internal", `${error}`);
    });
    isUntouched(evil);
  });
}
