import test from "ava";
import { resolveCredential } from "../../src/config/config.ts";
import type { CredentialRecord } from "../../src/credential/record.ts";
import {
  allowedScope,
  demandIn,
  demandsMore,
  demandTroubles,
  noteDemand,
} from "../../src/credential/step-up.ts";

const TOKEN = { accessToken: "a-token-of-this-test" };
const ORIGIN = "https://api.example.com";

function settingsWith(own: Record<string, unknown>) {
  const urls = { token_url: "https://login.example.com/token", client_id: "app" };
  return resolveCredential("jobs", { ...urls, ...own }, {}, { configDir: "/" });
}

const program = (own: Record<string, unknown> = {}) =>
  settingsWith({ grant: "client_credentials", scope: "read", ...own });

const person = () =>
  settingsWith({ grant: "authorization_code", authorization_url: "https://login.example.com/a" });

const wants = (scope: string) => `Bearer error="insufficient_scope", scope="${scope}"`;

test("a demand is read out of any challenge; other challenges are none", (t) => {
  t.deepEqual(demandIn(`Basic, ${wants("b a  a")}`, TOKEN), { scope: "a b" });
  t.deepEqual(demandIn('DPoP error="insufficient_scope", scope=w', TOKEN), { scope: "w" });
  const fresh = 'Bearer error="insufficient_user_authentication", acr_values="2 1", max_age="0"';
  t.deepEqual(demandIn(fresh, TOKEN), { acrValues: "2 1", maxAge: 0 });
  for (const none of [undefined, "", "Bearer", 'Bearer error="invalid_token", scope="a"']) {
    t.is(demandIn(none, TOKEN), undefined);
    t.false(demandsMore(none));
  }
  t.false(demandsMore('Bearer realm="insufficient_scope"'));
  t.true(demandsMore(fresh));
});

test("words that can't be sent, too many of them, or the token itself are no demand", (t) => {
  const many = Array.from({ length: 40 }, (_, index) => `s${index}`).join(" ");
  for (const scope of ["", "grüße", "a\tb", 'a\\"b', many, "x".repeat(300), TOKEN.accessToken])
    t.is(demandIn(wants(scope), TOKEN), undefined, scope);
});

test("only scopes that the file lists are asked for, together with its own", (t) => {
  const settings = program({ step_up_scope: "write delete" });
  t.is(allowedScope(settings, { scope: "write" }), "read write");
  t.is(allowedScope(settings, { scope: "delete write read" }), "delete read write");
  t.is(allowedScope(settings, { scope: "write admin" }), undefined);
  // The credential's own token has been refused already.
  t.is(allowedScope(settings, { scope: "read" }), undefined);
  t.is(allowedScope(settings, {}), undefined);
  t.is(allowedScope(program(), { scope: "read" }), undefined);
  t.is(allowedScope(person(), { scope: "read" }), undefined);
  // A rule that names scopes has admitted the request for the credential's own alone.
  const rule = { executable: "/usr/bin/backup", scope: ["read"] };
  const guarded = program({ step_up_scope: "write", allow: [rule] });
  t.is(allowedScope(guarded, { scope: "write" }), undefined);
});

test("demands add up, are sealed once, and their commands can be pasted into a shell", (t) => {
  const settings = person();
  const record = {} as CredentialRecord;
  const note = (scope: string, origin = ORIGIN) =>
    noteDemand(record, settings, { origin, demand: { scope } });
  t.true(note("$(reboot)"));
  t.false(note("$(reboot)"));
  t.false(note("$(reboot)", "https://other.example.com"));
  t.true(note("b'c"));
  const [trouble] = demandTroubles(settings, record);
  t.is(trouble?.help, "authd login jobs --scope '$(reboot) b'\\''c'");
  t.regex(
    trouble?.message ?? "",
    /^jobs: https:\/\/api\.example\.com wants a token with the scope/,
  );
  t.deepEqual(demandTroubles(program(), record), []);
});

test("what no command brings is not told of", (t) => {
  const fixed = settingsWith({ grant: "static", token_url: undefined, client_id: undefined });
  const record = {} as CredentialRecord;
  t.false(noteDemand(record, fixed, { origin: ORIGIN, demand: { scope: "write" } }));
  t.false(noteDemand(record, program(), { origin: ORIGIN, demand: { maxAge: 5 } }));
  t.is(record.demand, undefined);
});
