import test from "ava";
import { HttpFailure } from "../../src/http/http.ts";
import { explainNetworkError } from "../../src/http/transport-error.ts";

const URL_ASKED = new URL("https://issuer.example/token");

const describe = (code: string, sent: boolean) =>
  explainNetworkError(new HttpFailure("raw words", { code, sent }), URL_ASKED);

test("a failure before anything was sent says what to check", (t) => {
  t.regex(describe("ENOTFOUND", false), /issuer\.example can't be looked up.*\(ENOTFOUND\)\.$/);
  t.regex(describe("ECONNREFUSED", false), /nothing answers at issuer\.example/);
  t.regex(describe("UND_ERR_CONNECT_TIMEOUT", false), /in time/);
  t.regex(describe("CERT_HAS_EXPIRED", false), /clock/);
  t.regex(describe("ERR_TLS_CERT_ALTNAME_INVALID", false), /another name/);
  t.regex(describe("ERR_SSL_WRONG_VERSION_NUMBER", false), /does not speak https there.*http:\/\//);
  t.regex(describe("EWHATEVER", false), /no connection to issuer\.example/);
});

test("an unknown authority points to ca_file", (t) => {
  for (const code of ["SELF_SIGNED_CERT_IN_CHAIN", "UNABLE_TO_VERIFY_LEAF_SIGNATURE"]) {
    t.regex(describe(code, false), /ca_file/);
  }
});

test("a failure afterwards says that the answer broke", (t) => {
  for (const code of ["ECONNRESET", "UND_ERR_SOCKET", "ECONNREFUSED", "constructor"]) {
    t.regex(describe(code, true), /broke before its answer was complete/);
  }
  t.regex(explainNetworkError("not an error", URL_ASKED), /broke/);
});
