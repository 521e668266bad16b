import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "../client.ts";
import { AuthdError, errorCode } from "../errors.ts";
import type { Reason } from "../protocol.ts";
import type { PracticeName } from "./index.ts";
import type { Playground } from "./playground.ts";
import type { PracticeApi } from "./practice-api.ts";

const PROGRAMS = 50;

/** The sandbox, and what its tour has found so far. */
export interface Tour extends Playground {
  /** Every access token that the tour has seen. */
  readonly tokens: Set<string>;
  /** Resolves once `condition` holds; rejects after `ms`. */
  until(what: string, ms: number, condition: () => boolean | Promise<boolean>): Promise<void>;
}

/** One step. It resolves with what it observed, and rejects if that is not as it should be. */
export interface Step {
  title: string;
  run(tour: Tour): Promise<string>;
}

/** All steps, in order: later ones rely on what earlier ones left behind. */
export const steps: readonly Step[] = [
  { title: "A token from each of four APIs", run: tokens },
  { title: "A second look costs the API nothing", run: cached },
  { title: "A request to each, authorized by the daemon", run: requests },
  { title: "A refused token: one renewal, one repeat", run: checkOriginRefused },
  { title: `${PROGRAMS} programs at once, one renewal`, run: manyPrograms },
  { title: "A token goes to its own API only", run: origins },
  { title: "An edited file gets no secret until trusted", run: editedFile },
  { title: "A token is renewed before it runs out", run: renewal },
  { title: "An issuer is down: its valid token still works", run: outage },
  { title: "No secret and no token in any log or file", run: noSecrets },
];

async function tokens(tour: Tour): Promise<string> {
  for (const [name, api] of Object.entries(tour.apis)) {
    const { accessToken, headers } = await tour.client.getToken({ credential: name });
    tour.tokens.add(accessToken);
    const { method, url, body } = api.example;
    const response = await fetch(url, {
      method,
      headers: { ...headers, ...(body && { "content-type": "application/json" }) },
      ...(body && { body }),
    });
    check(response.status === 200, `${name} answered ${response.status} to its own token`);
  }
  return Object.keys(tour.apis).join(", ");
}

async function cached(tour: Tour): Promise<string> {
  const { labelf } = tour.apis;
  const before = labelf.stats.tokenRequests;
  const { accessToken } = await tour.client.getToken({ credential: "labelf" });
  check(tour.tokens.has(accessToken), "the second token is another one");
  check(labelf.stats.tokenRequests === before, "the issuer was asked again");
  return "the same token, from memory";
}

async function requests(tour: Tour): Promise<string> {
  let bytes = 0;
  for (const name of Object.keys(tour.apis) as PracticeName[]) {
    const response = await request(tour, name);
    check(response.status === 200, `${name} answered ${response.status}`);
    bytes += response.body?.length ?? 0;
  }
  return `four answers, ${bytes} bytes`;
}

async function checkOriginRefused(tour: Tour): Promise<string> {
  const { labelf } = tour.apis;
  const seen = counter(labelf);
  labelf.expireTokens();
  const response = await request(tour, "labelf");
  const { tokenRequests, apiRequests } = seen();
  check(response.status === 200, `the caller got ${response.status}`);
  check(response.refreshed, "the answer does not tell of a renewal");
  check(
    tokenRequests === 1 && apiRequests === 2,
    `${tokenRequests} renewals, ${apiRequests} tries`,
  );
  return "401 for the daemon, 200 for the caller";
}

async function manyPrograms(tour: Tour): Promise<string> {
  const { zebbra } = tour.apis;
  const seen = counter(zebbra);
  zebbra.expireTokens();
  const statuses = await Promise.all(
    Array.from({ length: PROGRAMS }, async () => {
      const program = connect({ socket: tour.socket });
      try {
        const { method, url } = zebbra.example;
        return (await program.authorizedRequest({ credential: "zebbra", method, url })).status;
      } finally {
        program.close();
      }
    }),
  );
  const wrong = statuses.filter((status) => status !== 200);
  check(wrong.length === 0, `${wrong.length} programs got ${wrong[0]}`);
  const { tokenRequests } = seen();
  check(tokenRequests === 1, `${tokenRequests} sign-ins`);
  return `${PROGRAMS} answers, 1 sign-in`;
}

async function origins(tour: Tour): Promise<string> {
  const seen = counter(tour.apis.onestepai);
  await fails(
    "origin_not_allowed",
    tour.client.authorizedRequest({ credential: "labelf", url: tour.apis.onestepai.example.url }),
  );
  check(seen().apiRequests === 0, "the request was sent all the same");
  return "refused, nothing sent";
}

async function editedFile(tour: Tour): Promise<string> {
  const file = join(tour.configDir, "credentials", "labelf.toml");
  const original = readFileSync(file, "utf8");
  // No token of this one expires meanwhile, so that it gets no request of its own.
  const { labelf, zebbra: elsewhere } = tour.apis;
  const seen = counter(elsewhere);
  writeFileSync(file, original.replaceAll(labelf.url, elsewhere.url));
  await tour.client.request("reload", {});
  await fails(
    "credential_changed",
    tour.client.getToken({ credential: "labelf", forceRefresh: true }),
  );
  check(seen().tokenRequests === 0, "the secret was sent");
  writeFileSync(file, original);
  await tour.client.request("reload", {});
  const { accessToken } = await tour.client.getToken({ credential: "labelf" });
  tour.tokens.add(accessToken);
  return "refused; put back, it works again";
}

async function renewal(tour: Tour): Promise<string> {
  const show = () => tour.client.request("credentials/show", { credential: "onestepai" });
  const { refreshCount } = await show();
  const started = performance.now();
  await tour.until("a renewal", 10_000, async () => (await show()).refreshCount > refreshCount);
  const { expiresAt } = await show();
  const left = Math.round(((expiresAt ?? 0) - Date.now()) / 1000);
  check(left > 0, "the new token is not valid");
  const waited = Math.round((performance.now() - started) / 1000);
  return `after ${waited} s, nobody asked; the next one has ${left} s`;
}

async function outage(tour: Tour): Promise<string> {
  const { onestepai } = tour.apis;
  const state = async () =>
    (await tour.client.request("credentials/show", { credential: "onestepai" })).state;
  onestepai.fail("down", "token");
  await tour.until("a renewal to fail", 10_000, async () => (await state()) === "failing");
  const { status } = await request(tour, "onestepai");
  check(status === 200, `the caller got ${status}`);
  onestepai.fail(undefined);
  await tour.until("the next try", 10_000, async () => (await state()) === "ready");
  return "200 meanwhile; renewed when it was back";
}

/** Searches logs, the configuration and the vault's files, but for the vault's key. */
async function noSecrets(tour: Tour): Promise<string> {
  check(tour.log().length > 0, "the daemon has written no log at all");
  const needles = Object.values(tour.apis)
    .flatMap((api) => Object.values(api.credential.secrets))
    .concat(...tour.tokens)
    .flatMap((text) => [text, encodeURIComponent(text), Buffer.from(text).toString("base64")]);
  let read = 0;
  for (const name of readdirSync(tour.folder, { recursive: true, encoding: "utf8" })) {
    const content = contentOf(join(tour.folder, name));
    check(!needles.some((needle) => content?.includes(needle)), `${name} holds one in the clear`);
    if (content) read += 1;
  }
  return `${read} files read`;
}

/** Reads a file; undefined if it is none, or was a temporary one that is gone. */
function contentOf(path: string): Buffer | undefined {
  try {
    return statSync(path).isFile() ? readFileSync(path) : undefined;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

function request(tour: Tour, name: PracticeName) {
  const { body, ...target } = tour.apis[name].example;
  const json = body && { body, headers: { "content-type": "application/json" } };
  return tour.client.authorizedRequest({ credential: name, ...target, ...json });
}

/** Returns the requests that an API received since. */
function counter(api: PracticeApi) {
  const { tokenRequests, apiRequests } = api.stats;
  return () => ({
    tokenRequests: api.stats.tokenRequests - tokenRequests,
    apiRequests: api.stats.apiRequests - apiRequests,
  });
}

async function fails(reason: Reason, call: Promise<unknown>): Promise<void> {
  const error = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (error instanceof AuthdError && error.reason === reason) return;
  throw error ?? new Error(`the daemon did what it should refuse as ${reason}`);
}

function check(condition: boolean, complaint: string): void {
  if (!condition) throw new Error(complaint);
}
