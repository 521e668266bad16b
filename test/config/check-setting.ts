import test from "ava";
import { whyUnfitSetting } from "../../src/config/check-setting.ts";
import { shippedPresets } from "../../src/config/presets.ts";

const presets = shippedPresets();

const unfit = (file: object, key: string, value: unknown) =>
  whyUnfitSetting({ file: file as Record<string, unknown>, key, value, presets });

test("one setting is checked alone, by the schema of its key and as an address", (t) => {
  const exchange = { grant: "exchange" };
  const client = { grant: "client_credentials" };
  for (const [file, key, value, wanted] of [
    [client, "token_url", "not a url", /^token_url: must be a complete https: URL/],
    [client, "token_url", "http://login.example/token", /^token_url must be https/],
    [client, "client_auth", "basik", /^client_auth: expected one of/],
    [client, "client_secret", "x", /is a secret/],
    [client, "client_idd", "x", /Did you mean "client_id"/],
    [client, "ttl", "soon", /^ttl: expected number/],
    [client, "origins", ["https://a.example", "https://b.example/v1"], /without a path/],
    [client, "headers.bad name", "x", /is not a header name/],
    [client, "verify.url", "me", /^verify\.url must be an absolute URL/],
    [exchange, "request.method", "TRACE", /can't be TRACE/],
    [exchange, "request.url", "login.example", /complete URL/],
    [exchange, "request.url", "https://{secret.host}/", /must not have a secret/],
    [exchange, "request.headers.host", "x", /a header that authd writes itself/],
    [exchange, "response.token", "data.jwt", /^token: must be a JSON pointer/],
    [{ preset: "onestepai" }, "region", "mars", /^region must be one of eu, us/],
    [{ preset: "zebbra" }, "base_url", "localhost", /^base_url must be an absolute URL/],
  ] as const) {
    t.regex(unfit(file, key, value) ?? "nothing", wanted, `${key}=${value}`);
  }
});

test("a setting that fits is not complained of, whatever else is missing", (t) => {
  for (const [file, key, value] of [
    [{ grant: "client_credentials" }, "token_url", "https://login.example/token"],
    [{ grant: "client_credentials" }, "origins", ["https://a.example", "http://127.0.0.1:1"]],
    [{ grant: "exchange" }, "request.url", "https://login.example/?key={secret.key}"],
    [{ grant: "exchange" }, "request.json", '{"password":"{secret.password}"}'],
    [{ grant: "exchange" }, "request.headers.x-client", "shop"],
    [{ grant: "exchange" }, "response.expires_in", "/expires_in"],
    [{ grant: "static" }, "headers.x-api-key", "{token}"],
    [{ preset: "zebbra" }, "base_url", "http://localhost:8000"],
  ] as const) {
    t.is(unfit(file, key, value), undefined, `${key}=${value}`);
  }
  const plain = { file: { grant: "static" }, key: "origins", value: ["http://api.example"] };
  t.is(whyUnfitSetting({ ...plain, allowInsecureHttp: true, presets }), undefined);
});
