import test from "ava";
import { AuthdError } from "../../src/errors.ts";
import type { Reason } from "../../src/protocol.ts";
import { allowedUrl } from "../../src/request/origin.ts";

const credential = {
  name: "labelf",
  origins: ["https://api.example.com", "http://localhost:8000", "http://127.0.0.1:8000"],
};

const allowed: [given: string, sent: string][] = [
  ["https://api.example.com", "https://api.example.com/"],
  ["https://api.example.com/v2/x?y=z", "https://api.example.com/v2/x?y=z"],
  ["https://api.example.com:443/", "https://api.example.com/"],
  ["HTTPS://API.Example.COM/Path", "https://api.example.com/Path"],
  ["https://api.example.com/a/../b", "https://api.example.com/b"],
  ["https://api.example.com/x#part", "https://api.example.com/x"],
  [
    "https://api.example.com/?$filter=a eq 'b'",
    "https://api.example.com/?$filter=a%20eq%20%27b%27",
  ],
  ["https://api.example.com/?path=C:\\x", "https://api.example.com/?path=C:\\x"],
  ["http://localhost:8000/user", "http://localhost:8000/user"],
  ["http://0x7f.1:8000/", "http://127.0.0.1:8000/"],
];

for (const [given, sent] of allowed) {
  test(`goes: ${given}`, (t) => t.is(allowedUrl(given, credential).href, sent));
}

const refused: [given: string, reason: Reason][] = [
  ["https://api.example.com.evil.test/", "origin_not_allowed"],
  ["https://evil.test/https://api.example.com", "origin_not_allowed"],
  ["https://api.example.com@evil.test/", "origin_not_allowed"],
  ["https://api.example.com:8443/", "origin_not_allowed"],
  ["http://api.example.com/", "origin_not_allowed"],
  ["https://api.example.com./", "origin_not_allowed"],
  ["https://sub.api.example.com/", "origin_not_allowed"],
  ["https://example.com/", "origin_not_allowed"],
  // With a Cyrillic а, and the same in its ASCII form.
  ["https://аpi.example.com/", "origin_not_allowed"],
  ["https://xn--pi-6kc.example.com/", "origin_not_allowed"],
  ["http://[::1]:8000/", "origin_not_allowed"],
  ["http://[::ffff:127.0.0.1]:8000/", "origin_not_allowed"],
  ["http://[0:0:0:0:0:ffff:7f00:1]:8000/", "origin_not_allowed"],
  ["http://localhost/", "origin_not_allowed"],
  ["file:///etc/passwd", "origin_not_allowed"],
  ["data:text/plain,x", "origin_not_allowed"],
  ["blob:https://api.example.com/6b1d", "origin_not_allowed"],
  ["ftp://api.example.com/", "origin_not_allowed"],
  ["wss://api.example.com/", "origin_not_allowed"],
  ["javascript:alert(1)", "origin_not_allowed"],
  ["https://user:pass@api.example.com/", "invalid_params"],
  ["https://user@api.example.com/", "invalid_params"],
  ["https://api.example.com\\@evil.test/", "invalid_params"],
  ["https:\\\\api.example.com/", "invalid_params"],
  ["https://api.exam\tple.com/", "invalid_params"],
  ["https://api.example.com/\r\nx: y", "invalid_params"],
  ["https://api.example.com/\0", "invalid_params"],
  ["http://[fe80::1%25eth0]:8000/", "invalid_params"],
  ["api.example.com/x", "invalid_params"],
  ["/v2/x", "invalid_params"],
  ["//api.example.com/", "invalid_params"],
  ["https://", "invalid_params"],
  ["", "invalid_params"],
  [`https://api.example.com/${"x".repeat(70_000)}`, "invalid_params"],
];

for (const [given, reason] of refused) {
  test(`${reason}: ${JSON.stringify(given.slice(0, 60))}`, (t) => {
    const error = t.throws(() => allowedUrl(given, credential), { instanceOf: AuthdError });
    t.is(error?.reason, reason);
    t.is(error?.credential, "labelf");
    t.true(error!.message.startsWith("labelf: "));
    t.true(error!.message.length < 400);
  });
}

test("without any origin every request is origin_not_allowed, and the message says how to allow it", (t) => {
  const none = { name: "mine", origins: [] };
  const error = t.throws(() => allowedUrl("https://api.example.com/?key=sesame", none), {
    instanceOf: AuthdError,
  });
  t.is(error?.reason, "origin_not_allowed");
  t.is(
    error?.message,
    "mine: its token may not go to https://api.example.com: it lists no origins. To allow it: authd set mine --set origins=https://api.example.com",
  );
});

test("a refusal shows the origin as it really is, the listed ones, and nothing else of the URL", (t) => {
  const error = t.throws(
    () => allowedUrl("https://user:sesame@аpi.example.com/sesame?sesame#sesame", credential),
    { instanceOf: AuthdError },
  );
  t.regex(error!.message, /https:\/\/xn--pi-6kc\.example\.com/);
  t.regex(error!.message, /--set origins=https:\/\/api\.example\.com,http:/);
  t.notRegex(error!.message, /sesame/);
});
