import test from "ava";
import {
  isAtRedirectUri,
  isRedirectUri,
  readRedirectUri,
  withPort,
} from "../../../src/grants/login/redirect-uri.ts";

test("loopback is listened on, at a free port unless one is given", (t) => {
  t.like(readRedirectUri(), { hosts: ["127.0.0.1"], port: 0 });
  t.like(readRedirectUri("http://[::1]:8400/cb"), { hosts: ["::1"], port: 8400 });
  t.like(readRedirectUri("http://localhost/cb"), { hosts: ["127.0.0.1", "::1"], port: 0 });
  for (const elsewhere of ["https://127.0.0.1/cb", "http://example.com/cb", "app:/cb", "urn:x:oob"])
    t.deepEqual(readRedirectUri(elsewhere).hosts, [], elsewhere);
});

test("the port of the listener is put where none is; a fixed one stays", (t) => {
  t.is(withPort(readRedirectUri(), 4711), "http://127.0.0.1:4711/callback");
  t.is(withPort(readRedirectUri("http://[::1]/a?b=c"), 4711), "http://[::1]:4711/a?b=c");
  t.is(withPort(readRedirectUri("http://localhost:8400/cb"), 1), "http://localhost:8400/cb");
  // Issuers compare it letter by letter: no slash is added.
  t.is(withPort(readRedirectUri("http://localhost"), 4711), "http://localhost:4711");
  t.is(withPort(readRedirectUri("http://LOCALHOST?a=b"), 4711), "http://LOCALHOST:4711?a=b");
});

test("what runs in a browser, or hides a part of itself, is no redirect URI", (t) => {
  for (const text of ["javascript:alert(1)", "data:text/html,x", "file:///x", "http://u:p@h/", "x"])
    t.false(isRedirectUri(text), text);
  t.false(isRedirectUri("http://127.0.0.1/cb#part"));
  for (const text of ["http://127.0.0.1/cb", "https://app.example/cb", "com.example.app:/cb"])
    t.true(isRedirectUri(text), text);
});

test("a pasted address is at the redirect URI: origin, path and its own parameters", (t) => {
  const at = (address: string, uri = "http://127.0.0.1:4711/cb?own=1") =>
    isAtRedirectUri(uri, new URL(address));
  t.true(at("http://127.0.0.1:4711/cb?own=1&code=x&state=y"));
  for (const other of [
    "http://127.0.0.1:4712/cb?own=1",
    "https://127.0.0.1:4711/cb?own=1",
    "http://127.0.0.1:4711/other?own=1",
    "http://127.0.0.1:4711/cb?code=x",
    "http://evil.example/cb?own=1",
  ])
    t.false(at(other), other);
  t.true(at("com.example.app:/cb?code=x", "com.example.app:/cb"));
});
