/** The protocols of package managers and build tools, byte for byte; `test/tools` has the tools themselves. */
import test from "ava";
import { FileScope } from "../../helpers/scope.ts";
import { startToolDaemon, type ToolDaemon } from "../../helpers/tool-daemon.ts";

const scope = new FileScope();
let daemon: ToolDaemon;

test.before(async () => {
  daemon = await startToolDaemon(scope);
  await daemon.addExpiring("short", "origins=https://short.example");
  await daemon.addStatic("fixed", "fixed-token", "origins=https://fixed.example:8443");
  const basic = Buffer.from("me:and:you").toString("base64");
  await daemon.addStatic(
    "basic",
    "basic-token",
    "origins=https://basic.example",
    `headers.authorization=Basic ${basic}`,
  );
  await daemon.addStatic(
    "key",
    "key-token",
    "origins=https://key.example",
    "headers.authorization=",
    "headers.x-api-key={token}",
  );
});
test.after.always(() => scope.end());

const lines = (text: string) => text.trimEnd().split("\n");
const parsed = (text: string) => lines(text).map((line) => JSON.parse(line));

const cargoRequest = (kind: string, index: string) =>
  `${JSON.stringify({ v: 1, registry: { "index-url": index, name: "mine" }, kind, args: [] })}\n`;

test("cargo gets the whole header, and is told until when it may keep it", async (t) => {
  const { code, stdout } = await daemon.helper(
    ["cargo", "--cargo-plugin"],
    cargoRequest("get", "sparse+https://short.example/index/") +
      cargoRequest("get", "https://fixed.example:8443/index"),
  );
  t.is(code, 0);
  const [hello, short, fixed] = parsed(stdout);
  t.deepEqual(hello, { v: [1] });
  const { expiration, ...rest } = short.Ok;
  t.deepEqual(rest, {
    kind: "get",
    token: "Bearer practice-1",
    cache: "expires",
    operation_independent: true,
  });
  t.true(Number.isInteger(expiration) && expiration < 1e10);
  t.deepEqual(fixed.Ok, {
    kind: "get",
    token: "Bearer fixed-token",
    cache: "session",
    operation_independent: true,
  });
});

test("cargo asks its next provider for what authd has no token for", async (t) => {
  const { stdout } = await daemon.helper(
    ["cargo"],
    [
      cargoRequest("get", "sparse+https://elsewhere.example/"),
      cargoRequest("get", "ssh://git@elsewhere.example/index"),
      cargoRequest("something-new", "sparse+https://fixed.example:8443/"),
      '{"v":2,"kind":"get"}\n',
      cargoRequest("login", "sparse+https://fixed.example:8443/"),
      cargoRequest("get", "sparse+https://key.example/"),
      "no JSON\n",
    ].join(""),
  );
  const errors = parsed(stdout).slice(1);
  t.deepEqual(
    errors.map(({ Err }) => Err.kind),
    [
      "url-not-supported",
      "url-not-supported",
      "operation-not-supported",
      "operation-not-supported",
      "other",
      "other",
      "other",
    ],
  );
  t.regex(errors[4].Err.message, /authd login fixed/);
  t.regex(errors[5].Err.message, /key: its API takes x-api-key/);
});

test("no token goes to a host that only seems to be in front of another", async (t) => {
  const own = "fixed.example:8443";
  for (const host of [`elsewhere.example?@${own}`, `elsewhere.example#@${own}`])
    for (const url of [`https://${host}/x`, `https://me:${host}/x`, host]) {
      const bazel = await daemon.helper(["bazel", "get"], JSON.stringify({ uri: url }));
      t.deepEqual(JSON.parse(bazel.stdout), { headers: {} }, url);
      t.is((await daemon.helper(["yarn", url])).stdout, "", url);
    }
  const { stdout } = await daemon.helper(["pip", "get", `https://elsewhere.example\\@${own}/`]);
  t.is(stdout, "");
});

test("pip and uv get a password, or a user with it, as they ask", async (t) => {
  const keyring = async (...words: string[]) => {
    const { code, stdout } = await daemon.helper(["pip", ...words]);
    return { code, stdout };
  };
  const url = "https://fixed.example:8443/simple/";
  t.deepEqual(await keyring("get", url, "me"), { code: 0, stdout: "fixed-token\n" });
  t.deepEqual(await keyring("get", "fixed.example:8443", "me"), {
    ...{ code: 0, stdout: "fixed-token\n" },
  });
  t.is((await keyring("get", url, "--mode", "creds")).stdout, "__token__\nfixed-token\n");
  const json = await keyring("--mode=creds", "--output=json", "get", url);
  t.deepEqual(JSON.parse(json.stdout), { username: "__token__", password: "fixed-token" });
  const named = await keyring("--mode=creds", "--output=json", "get", url, "me");
  t.is(JSON.parse(named.stdout).username, "me");
  const basic = await keyring("--mode=creds", "--output=json", "get", "https://basic.example/x");
  t.deepEqual(JSON.parse(basic.stdout), { username: "me", password: "and:you" });
  t.deepEqual(await keyring("get", "https://elsewhere.example", "me"), { code: 1, stdout: "" });
  t.deepEqual(await keyring("set", url, "me"), { code: 1, stdout: "" });
});

test("pnpm gets the value of the header", async (t) => {
  const { code, stdout } = await daemon.helper(["pnpm", "fixed.example:8443/npm"]);
  t.deepEqual({ code, stdout }, { code: 0, stdout: "Bearer fixed-token\n" });
  for (const [registry, complaint] of [
    ["elsewhere.example", /install pnpm --for elsewhere\.example=NAME/],
    ["key.example", /key: its API takes x-api-key/],
    ["", /--for HOST=NAME/],
  ] as const) {
    const failed = await daemon.helper(["pnpm", registry]);
    t.is(failed.code, 2);
    t.is(failed.stdout, "");
    t.regex(failed.stderr, complaint);
  }
});

test("Terraform gets a token by host, and no place to store one", async (t) => {
  const { stdout } = await daemon.helper(["terraform", "get", "fixed.example:8443"]);
  t.is(stdout, '{"token":"fixed-token"}\n');
  const other = await daemon.helper(["terraform", "get", "elsewhere.example"]);
  t.deepEqual([other.code, other.stdout], [0, "{}\n"]);
  const store = await daemon.helper(["terraform", "store", "fixed.example:8443"], '{"token":"x"}');
  t.is(store.code, 2);
  t.regex(store.stderr, /authd set fixed/);
  t.is((await daemon.helper(["terraform", "forget", "elsewhere.example"])).code, 2);
});

test("Bazel gets every header of the API, and their end", async (t) => {
  const bazel = (uri: string) => daemon.helper(["bazel", "get"], JSON.stringify({ uri }));
  const short = JSON.parse((await bazel("https://short.example/cache/x")).stdout);
  t.deepEqual(short.headers, { authorization: ["Bearer practice-1"] });
  t.regex(short.expires, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  t.deepEqual(JSON.parse((await bazel("https://key.example/")).stdout), {
    headers: { "x-api-key": ["key-token"] },
  });
  t.is((await bazel("https://elsewhere.example/")).stdout, '{"headers":{}}\n');
  for (const [words, input] of [
    [["bazel", "store"], "{}"],
    [["bazel", "get"], "https://fixed.example"],
    [["bazel", "get"], '{"url":"https://fixed.example"}'],
  ] as const)
    t.is((await daemon.helper(words, input)).code, 2);
});
