/** Clients that authd registers itself: what a killed daemon loses of them, and what becomes of them in the end. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import test, { type ExecutionContext } from "ava";
import { type Client, connect } from "../../src/client.ts";
import { startCrashableDaemon } from "../helpers/crashable-daemon.ts";
import { type Home, makeHome, startDaemon } from "../helpers/daemon.ts";
import { RESOURCE_FEATURES, startResourceServer } from "../helpers/resource-server.ts";
import { type SignInIssuer, startSignInIssuer } from "../helpers/sign-in-issuer.ts";

const CREDENTIAL = { credential: "notes" };

async function startIssuer(t: ExecutionContext) {
  const issuer = await startSignInIssuer(t, { features: RESOURCE_FEATURES });
  const { url } = await startResourceServer(t, issuer);
  return { issuer, add: ["add", "notes", "--resource", url] };
}

function clientOf(t: ExecutionContext, { socket }: Home): Client {
  const client = connect({ socket });
  t.teardown(() => client.close());
  return client;
}

async function addNotes(t: ExecutionContext) {
  const { issuer, add } = await startIssuer(t);
  const daemon = await startDaemon(t);
  const added = await daemon.cli(add);
  t.is(added.code, 0, added.stderr);
  return { issuer, add, daemon, client: clientOf(t, daemon) };
}

const fileOf = ({ configDir }: Home) => join(configDir, "credentials", "notes.toml");
const clientIdIn = (home: Home) =>
  /client_id = "([^"]+)"/.exec(readFileSync(fileOf(home), "utf8"))?.[1] ?? "none";
const count = ({ requests }: SignInIssuer, path: RegExp) =>
  requests.filter((one) => path.test(one)).length;

/** Changes to the disk that follow the issuer's answer, in their order. */
const STEPS = ["writeFileSync credentials/", "open ", "rename "];

for (const step of STEPS) {
  test(`killed between the registration and its seal (${step.trim()}), nothing is half there`, async (t) => {
    const { issuer, add } = await startIssuer(t);
    const home = makeHome(t);
    const first = await startCrashableDaemon(t, home);
    issuer.override = async (path) => {
      if (path === "/reg") await first.arm(step);
      return undefined;
    };
    const killed = await home.cli(add);
    t.is((await first.ended).signal, "SIGKILL");
    t.is(killed.code, 7, killed.stderr);
    const lost = `a client may be left at ${issuer.url} that nobody uses`;
    t.true(killed.stderr.includes(lost), killed.stderr);
    issuer.override = undefined;
    const again = await startDaemon(t, { home });
    t.false((await again.cli(["list", "--json"])).stdout.includes('"ready"'));
    const added = await again.cli([...add, "--replace"]);
    t.is(added.code, 0, added.stderr);
    t.is(count(issuer, /^\/reg$/), 2);
    const begun = await clientOf(t, again).request("login/start", { ...CREDENTIAL, how: "paste" });
    t.is(new URL(begun.url ?? "").searchParams.get("client_id"), clientIdIn(again));
  });
}

test("a credential that is removed has its client taken back at the issuer", async (t) => {
  const { issuer, daemon } = await addNotes(t);
  const id = clientIdIn(daemon);
  const removed = await daemon.cli(["remove", "notes"]);
  t.is(removed.code, 0, removed.stderr);
  t.regex(
    removed.stdout,
    new RegExp(`notes is removed; its client is no longer registered at ${issuer.url}\\.`),
  );
  t.is(issuer.requests.at(-1), `/reg/${id}`);
  t.false(existsSync(fileOf(daemon)));
});

test("a client that was registered for what could not be added then is taken back at once", async (t) => {
  const { issuer, add } = await startIssuer(t);
  const daemon = await startDaemon(t);
  const client = clientOf(t, daemon);
  issuer.override = async (path) => {
    const other = { name: "notes", grant: "static", secrets: { token: "practice" } };
    if (path === "/reg") await client.request("credentials/add", other);
    return undefined;
  };
  const added = await daemon.cli(add);
  t.is(added.code, 2, added.stderr);
  t.regex(added.stderr, /there is a credential of that name.*its client is no longer registered/);
  t.is(count(issuer, /^\/reg\/./), 1);
});

test("a client of a credential that is replaced is taken back, unless it is used again", async (t) => {
  const { issuer, add, daemon, client } = await addNotes(t);
  const id = clientIdIn(daemon);
  const again = await daemon.cli([...add, "--replace"]);
  t.notRegex(again.stderr, /as it was before/);
  t.is(clientIdIn(daemon), id);
  t.is(count(issuer, /^\/reg\/./), 0);
  const elsewhere = ["--set", "redirect_uri=http://127.0.0.1:50505/callback"];
  const moved = await daemon.cli([...add, "--replace", ...elsewhere]);
  t.is(moved.code, 0, moved.stderr);
  t.regex(moved.stderr, /notes as it was before: its client is no longer registered at/);
  t.deepEqual(
    issuer.requests.filter((path) => path.startsWith("/reg/")),
    [`/reg/${id}`],
  );
  issuer.override = (path) => (path.startsWith("/reg/") ? { status: 500, body: {} } : undefined);
  const secrets = { token: "practice" };
  const params = { name: "notes", grant: "static", secrets, replace: true };
  const { replacedClient } = await client.request("credentials/add", params);
  t.is(replacedClient?.deregistered, false);
  t.regex(replacedClient?.detail ?? "", /stays registered at .*: it answered HTTP 500/);
});

test("an issuer that does not take it back keeps nobody from removing, and that is told", async (t) => {
  const { issuer, add, daemon, client } = await addNotes(t);
  for (const [status, deregistered, wanted] of [
    [500, false, /stays registered at .*: it answered HTTP 500/],
    [405, false, /stays registered at .*: it answered HTTP 405/],
    [401, false, /may still be registered at .*, which does not take the token/],
    [404, true, /is not known at .* any more/],
    [410, true, /is not known at .* any more/],
  ] as const) {
    issuer.override = (path) => (path.startsWith("/reg/") ? { status, body: {} } : undefined);
    const removed = await client.request("credentials/remove", CREDENTIAL);
    t.is(removed.deregistered, deregistered);
    t.regex(removed.detail ?? "", wanted);
    t.false((await daemon.cli(["list", "--json"])).stdout.includes("notes"));
    t.is((await daemon.cli(add)).code, 0);
  }
});

test("a token that manages a client goes to no address in this machine's network that a server names", async (t) => {
  const { issuer, add } = await startIssuer(t);
  const daemon = await startDaemon(t);
  const client = clientOf(t, daemon);
  for (const [members, wanted] of [
    [{ registration_client_uri: "http://10.0.0.1/reg/made" }, /the address .* is not https/],
    [{ registration_client_uri: "nowhere" }, /the address .* is no URL/],
    [{ registration_access_token: undefined }, /no way to take clients back/],
  ] as const) {
    const body = {
      ...{ client_id: "made", token_endpoint_auth_method: "none" },
      registration_access_token: "manages-this-client",
      registration_client_uri: `${issuer.url}/reg/made`,
      ...members,
    };
    issuer.override = (path) => (path === "/reg" ? { status: 201, body } : undefined);
    t.is((await daemon.cli(add)).code, 0);
    const removed = await client.request("credentials/remove", CREDENTIAL);
    t.is(removed.deregistered, false);
    t.regex(removed.detail ?? "", wanted);
    t.false(JSON.stringify(removed).includes("manages-this-client"));
  }
  t.is(count(issuer, /^\/reg\//), 0);
});

test("nor with a certificate authority of an edited file, whatever else keeps the credential from its work", async (t) => {
  const { issuer, daemon, client } = await addNotes(t);
  const ca = join(daemon.configDir, "other.pem");
  writeFileSync(ca, rootCertificates[0]!);
  const edit = `client_auth = "private_key_jwt"\nca_file = ${JSON.stringify(ca)}\n`;
  const text = readFileSync(fileOf(daemon), "utf8").replace(/^client_auth = .*\n/m, "");
  writeFileSync(fileOf(daemon), text.replace(/^(?=grant = )/m, edit));
  await client.request("reload", {});
  t.is((await client.request("credentials/show", CREDENTIAL)).state, "login_required");
  const removed = await client.request("credentials/remove", CREDENTIAL);
  t.regex(removed.detail ?? "", /file was edited since/);
  t.is(count(issuer, /^\/reg\//), 0);
});

test("nothing is sent for a credential whose file was edited, and none without a client of authd's", async (t) => {
  const { issuer, daemon, client } = await addNotes(t);
  const text = readFileSync(fileOf(daemon), "utf8");
  writeFileSync(fileOf(daemon), text.replace(issuer.url, "https://elsewhere.example"));
  await client.request("reload", {});
  t.is((await client.request("credentials/show", CREDENTIAL)).state, "changed");
  const removed = await client.request("credentials/remove", CREDENTIAL);
  t.is(removed.deregistered, false);
  t.regex(removed.detail ?? "", /file was edited since/);
  t.is(count(issuer, /^\/reg\//), 0);
  const params = { name: "notes", grant: "static", secrets: { token: "practice" } };
  await client.request("credentials/add", params);
  t.deepEqual(await client.request("credentials/remove", CREDENTIAL), {});
});
