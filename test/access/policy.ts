import test from "ava";
import {
  type Caller,
  decide,
  mayUse,
  needs,
  overrideHeader,
  type Use,
} from "../../src/access/policy.ts";
import { isOpen, type Policy, type Rule } from "../../src/config/policy.ts";

const NOW = Date.UTC(2026, 5, 1);

const backup: Caller = {
  isOwn: true,
  uid: 1000,
  gids: [1000, 50],
  executable: "/usr/bin/backup",
  isInterpreter: false,
  sha256: "ab".repeat(32),
  unit: "backup.service",
  displayName: "/usr/bin/backup (process 4711)",
};
const stranger: Caller = { ...backup, isOwn: false, uid: 1001, gids: [1001, 50] };
const python: Caller = {
  ...backup,
  executable: "/usr/bin/python3.12",
  isInterpreter: true,
  unit: null,
  displayName: "/usr/bin/python3.12 (process 4712)",
};
const unknown: Caller = {
  isOwn: true,
  uid: 1000,
  gids: undefined,
  executable: undefined,
  isInterpreter: false,
  sha256: undefined,
  unit: undefined,
  displayName: "process 4713",
};

const token: Use = { kind: "token", scope: "", audience: "" };
const get: Use = { kind: "request", scope: "", audience: "", method: "GET", path: "/v2/tickets" };
const post: Use = { ...get, method: "POST" };

const rule = (parts: Partial<Rule>): Rule => ({ name: "rule", who: {}, ...parts });
const policy = (parts: Partial<Policy>): Policy => ({
  expose: "token",
  allow: [],
  deny: [],
  ...parts,
});
const program = { executable: "/usr/bin/backup" };

/** What is asked, by whom, under which policy; and the rule that lets it pass, or the reason why not. */
const CASES: readonly [string, Policy, Caller, Use, string][] = [
  ["no rules: own user", policy({}), backup, token, "default"],
  ["no rules: another user", policy({}), stranger, token, "!caller_not_allowed"],
  ["no rules: nothing known of an own program", policy({}), unknown, token, "default"],

  ["request only: token", policy({ expose: "request" }), backup, token, "!token_not_exposed"],
  ["request only: request", policy({ expose: "request" }), backup, get, "default"],
  [
    "request only: no rule opens it again",
    policy({ expose: "request", allow: [rule({ expose: "token" })] }),
    backup,
    token,
    "!token_not_exposed",
  ],
  ["methods: inside", policy({ expose: "request", methods: ["GET"] }), backup, get, "default"],
  [
    "methods: outside",
    policy({ expose: "request", methods: ["GET"] }),
    backup,
    post,
    "!origin_not_allowed",
  ],
  ["paths: exact", policy({ expose: "request", paths: ["/v2/tickets"] }), backup, get, "default"],
  ["paths: begin", policy({ expose: "request", paths: ["/v2/*"] }), backup, get, "default"],
  [
    "paths: not a longer one",
    policy({ expose: "request", paths: ["/v2/ticket"] }),
    backup,
    get,
    "!origin_not_allowed",
  ],
  [
    "paths: an encoded slash is outside of all",
    policy({ expose: "request", paths: ["/v2/*"] }),
    backup,
    { ...get, path: "/v2/..%2fadmin" },
    "!origin_not_allowed",
  ],

  ["executable: same", policy({ allow: [rule({ who: program })] }), backup, token, "rule"],
  [
    "executable: other",
    policy({ allow: [rule({ who: { executable: "/usr/bin/other" } })] }),
    backup,
    token,
    "!caller_not_allowed",
  ],
  [
    "executable: can't be known",
    policy({ allow: [rule({ who: program })] }),
    unknown,
    token,
    "!caller_not_allowed",
  ],
  [
    "executable: an interpreter vouches for nothing",
    policy({ allow: [rule({ who: { executable: "/usr/bin/python3.12" } })] }),
    python,
    token,
    "!caller_not_allowed",
  ],
  [
    "sha256: same",
    policy({ allow: [rule({ who: { sha256: "ab".repeat(32) } })] }),
    backup,
    token,
    "rule",
  ],
  [
    "sha256: of an interpreter",
    policy({ allow: [rule({ who: { sha256: "ab".repeat(32) } })] }),
    python,
    token,
    "!caller_not_allowed",
  ],
  [
    "unit: same",
    policy({ allow: [rule({ who: { unit: "backup.service" } })] }),
    backup,
    token,
    "rule",
  ],
  [
    "unit: none",
    policy({ allow: [rule({ who: { unit: "backup.service" } })] }),
    python,
    token,
    "!caller_not_allowed",
  ],
  [
    "unit: an interpreter in it",
    policy({ allow: [rule({ who: { unit: "backup.service" } })] }),
    { ...python, unit: "backup.service" },
    token,
    "rule",
  ],
  [
    "pod: one of those that begin so",
    policy({ allow: [rule({ who: { pod: "shop/web-*" } })] }),
    { ...stranger, pod: "shop/web-0" },
    token,
    "rule",
  ],
  [
    "pod: of another namespace",
    policy({ allow: [rule({ who: { pod: "shop/*" } })] }),
    { ...stranger, pod: "shop-2/web-0" },
    token,
    "!caller_not_allowed",
  ],
  [
    "pod: none",
    policy({ allow: [rule({ who: { pod: "shop/*" } })] }),
    { ...stranger, pod: null },
    token,
    "!caller_not_allowed",
  ],
  [
    "pod: denied, and it is not known",
    policy({ deny: [rule({ who: { pod: "shop/*" } })] }),
    { ...backup, pod: undefined },
    token,
    "!caller_not_allowed",
  ],
  [
    "pod: denied, and there is none",
    policy({ deny: [rule({ who: { pod: "shop/*" } })] }),
    { ...backup, pod: null },
    token,
    "default",
  ],
  [
    "cgroup: exactly",
    policy({ allow: [rule({ who: { cgroup: "/web.slice" } })] }),
    { ...stranger, cgroup: "/web.slice" },
    token,
    "rule",
  ],
  [
    "cgroup: below, without a star",
    policy({ allow: [rule({ who: { cgroup: "/web.slice" } })] }),
    { ...stranger, cgroup: "/web.slice/one" },
    token,
    "!caller_not_allowed",
  ],
  [
    "cgroup: not known",
    policy({ allow: [rule({ who: { cgroup: "/web.slice/*" } })] }),
    stranger,
    token,
    "!caller_not_allowed",
  ],
  ["user: same", policy({ allow: [rule({ who: { uid: 1001 } })] }), stranger, token, "rule"],
  [
    "user: other",
    policy({ allow: [rule({ who: { uid: 1002 } })] }),
    stranger,
    token,
    "!caller_not_allowed",
  ],
  [
    "group: one of several",
    policy({ allow: [rule({ who: { gid: 50 } })] }),
    stranger,
    token,
    "rule",
  ],
  [
    "group: can't be known",
    policy({ allow: [rule({ who: { gid: 50 } })] }),
    unknown,
    token,
    "!caller_not_allowed",
  ],
  [
    "all that is named must be so",
    policy({ allow: [rule({ who: { ...program, unit: "other.service" } })] }),
    backup,
    token,
    "!caller_not_allowed",
  ],
  ["a rule for everybody: own user", policy({ allow: [rule({})] }), backup, token, "rule"],
  [
    "a rule for everybody: not another user",
    policy({ allow: [rule({})] }),
    stranger,
    token,
    "!caller_not_allowed",
  ],

  [
    "the first that matches",
    policy({
      allow: [
        rule({ name: "a", who: { unit: "no.service" } }),
        rule({ name: "b", who: program }),
        rule({ name: "c" }),
      ],
    }),
    backup,
    token,
    "b",
  ],
  [
    "deny wins",
    policy({ allow: [rule({ who: program })], deny: [rule({ name: "no", who: program })] }),
    backup,
    token,
    "!caller_not_allowed",
  ],
  [
    "deny: another program",
    policy({ deny: [rule({ who: { executable: "/usr/bin/other" } })] }),
    backup,
    token,
    "default",
  ],
  [
    "deny: who can't be known may be meant",
    policy({ deny: [rule({ who: program })] }),
    unknown,
    token,
    "!caller_not_allowed",
  ],
  [
    "deny: an interpreter can be meant",
    policy({ deny: [rule({ who: { executable: "/usr/bin/python3.12" } })] }),
    python,
    token,
    "!caller_not_allowed",
  ],
  [
    "deny: what is known to be otherwise",
    policy({ deny: [rule({ who: { ...program, uid: 7 } })] }),
    unknown,
    token,
    "default",
  ],

  [
    "a rule for requests: request",
    policy({ allow: [rule({ expose: "request" })] }),
    backup,
    get,
    "rule",
  ],
  [
    "a rule for requests: token",
    policy({ allow: [rule({ expose: "request" })] }),
    backup,
    token,
    "!token_not_exposed",
  ],
  [
    "a rule for requests, and one with the token",
    policy({ allow: [rule({ name: "a", expose: "request" }), rule({ name: "b", who: program })] }),
    backup,
    token,
    "b",
  ],
  [
    "a rule's method",
    policy({ allow: [rule({ expose: "request", methods: ["GET"] })] }),
    backup,
    post,
    "!caller_not_allowed",
  ],
  [
    "a rule's path",
    policy({ allow: [rule({ expose: "request", paths: ["/v2/*"] })] }),
    backup,
    get,
    "rule",
  ],
  ["scope: own", policy({ allow: [rule({ scopes: [""] })] }), backup, token, "rule"],
  [
    "scope: listed",
    policy({ allow: [rule({ scopes: ["read"] })] }),
    backup,
    { ...token, scope: "read" },
    "rule",
  ],
  [
    "scope: not listed",
    policy({ allow: [rule({ scopes: ["read"] })] }),
    backup,
    { ...token, scope: "write" },
    "!caller_not_allowed",
  ],
  [
    "audience: not listed",
    policy({ allow: [rule({ audiences: ["a"] })] }),
    backup,
    { ...token, audience: "b" },
    "!caller_not_allowed",
  ],
  [
    "deny a scope",
    policy({ deny: [rule({ scopes: ["admin"] })] }),
    backup,
    { ...token, scope: "admin" },
    "!caller_not_allowed",
  ],
  [
    "deny a scope: among others",
    policy({ deny: [rule({ scopes: ["admin"] })] }),
    backup,
    { ...token, scope: "admin read" },
    "!caller_not_allowed",
  ],
  [
    "deny two scopes together: one of them",
    policy({ deny: [rule({ scopes: ["admin read"] })] }),
    backup,
    { ...token, scope: "read" },
    "default",
  ],
  [
    "scope: more than is listed",
    policy({ allow: [rule({ scopes: ["read"] })] }),
    backup,
    { ...token, scope: "read write" },
    "!caller_not_allowed",
  ],
  [
    "deny a method: whoever has the token can use it",
    policy({ deny: [rule({ methods: ["DELETE"] })] }),
    backup,
    token,
    "!caller_not_allowed",
  ],

  ["until: before", policy({ allow: [rule({ until: NOW + 1 })] }), backup, token, "rule"],
  ["until: after", policy({ allow: [rule({ until: NOW })] }), backup, token, "!caller_not_allowed"],
  ["deny until: after", policy({ deny: [rule({ until: NOW })] }), backup, token, "default"],
];

for (const [title, given, caller, use, expected] of CASES) {
  test(title, (t) => {
    const verdict = decide("labelf", given, caller, use, NOW);
    t.is(verdict.allowed ? verdict.rule : `!${verdict.reason}`, expected);
    if (!verdict.allowed) {
      t.true(verdict.message.startsWith("labelf: "), verdict.message);
      t.not(verdict.rule, "");
    }
  });
}

/** Paths below /v2/*, and those that a server might read as something else. */
const INSIDE: readonly [string, boolean][] = [
  ["/v2/", true],
  ["/v2/tickets", true],
  ["/v2/a%20b", true],
  ["/v2/100%25", true],
  ["/v2/..a/.b", true],
  ["/v2", false],
  ["/v20/tickets", false],
  ["/V2/tickets", false],
  ["/v2/..;/admin", false],
  ["/v2/.;x/admin", false],
  ["/v2/%2e%2e;/admin", false],
  ["/v2/..%2fadmin", false],
  ["/v2/%252e%252e%252fadmin", false],
  ["/v2/%252e%252e/admin", false],
  ["/v2/..%5cadmin", false],
  ["/v2/a%00b", false],
];
for (const [path, inside] of INSIDE) {
  test(`allowed /v2/*: ${path} is ${inside ? "inside" : "outside"}`, (t) => {
    const only = policy({ expose: "request", paths: ["/v2/*"] });
    t.is(decide("labelf", only, backup, { ...get, path }, NOW).allowed, inside);
    const allow = [rule({ expose: "request", paths: ["/v2/*"] })];
    t.is(decide("labelf", policy({ allow }), backup, { ...get, path }, NOW).allowed, inside);
  });
}

/** Paths that /admin/* denies, however they are spelled. */
const DENIED: readonly [string, boolean][] = [
  ["/admin/users", true],
  ["/admin", true],
  ["/Admin/Users", true],
  ["/%61dmin/users", true],
  ["/%2561dmin/users", true],
  ["//admin//users", true],
  ["/x/..%2fadmin/users", true],
  ["/x/..;/admin/users", true],
  ["/admin;x=1/users", true],
  ["/admin%2fusers", true],
  ["/admin%5cusers", true],
  ["/bad%encoding", true],
  ["/administrators", false],
  ["/v2/admin/users", false],
  ["/v2/a%20b", false],
];
for (const [path, denied] of DENIED) {
  test(`denied /admin/*: ${path} is ${denied ? "meant" : "not meant"}`, (t) => {
    const deny = [rule({ name: "no", paths: ["/admin/*"] })];
    t.is(decide("labelf", policy({ deny }), backup, { ...get, path }, NOW).allowed, !denied);
  });
}

test("a denied path is read as leniently as the request's", (t) => {
  const denies = (denied: string, path: string) =>
    !decide("labelf", policy({ deny: [rule({ paths: [denied] })] }), backup, { ...get, path }, NOW)
      .allowed;
  t.true(denies("/caf%C3%A9", "/caf%C3%A9"));
  t.true(denies("/my%20files/*", "/my%20files/a"));
  t.true(denies("/my%20files/*", "/My%20Files"));
  t.true(denies("/v2/tick*", "/v2/tickets"));
  t.true(denies("/*", "/"));
  t.true(denies("/a//b", "/a/b"));
  t.false(denies("/my%20files/*", "/my%20filesystem"));
});

test("denied is a scope also between commas and tabs, at which some issuers split", (t) => {
  const asks = (scope: string) =>
    decide(
      "labelf",
      policy({ deny: [rule({ scopes: ["admin"] })] }),
      backup,
      { ...token, scope },
      NOW,
    ).allowed;
  t.false(asks("read,admin"));
  t.false(asks("read\tadmin"));
  t.true(asks("read,administer"));
});

test("a denied path with a slash at the end, and without", (t) => {
  for (const spelled of ["/admin", "/admin/"]) {
    const deny = [rule({ paths: [spelled] })];
    for (const path of ["/admin", "/admin/"]) {
      t.false(decide("labelf", policy({ deny }), backup, { ...get, path }, NOW).allowed);
    }
    t.true(decide("labelf", policy({ deny }), backup, { ...get, path: "/admin/x" }, NOW).allowed);
  }
});

test("a header that makes another method or path of a request is none where those are limited", (t) => {
  const override = overrideHeader({ accept: "*/*", "x-http-method-override": "DELETE" });
  t.is(override, "x-http-method-override");
  t.is(overrideHeader({ accept: "*/*" }), undefined);
  t.is(
    overrideHeader({ x_http_method_override: "DELETE" }),
    "x_http_method_override",
    "as CGI has it",
  );
  const use = { ...post, override: "x-http-method-override" };
  const answer = (given: Partial<Policy>) => decide("labelf", policy(given), backup, use, NOW);
  t.true(answer({ expose: "request" }).allowed);
  t.like(answer({ expose: "request", methods: ["POST"] }), { reason: "origin_not_allowed" });
  t.like(answer({ expose: "request", paths: ["/v2/*"] }), { rule: "paths" });
  t.false(answer({ allow: [rule({ expose: "request", methods: ["POST"] })] }).allowed);
  t.false(answer({ deny: [rule({ methods: ["DELETE"] })] }).allowed);
});

test("who may use it in some way", (t) => {
  const may = (given: Partial<Policy>, caller = stranger) => mayUse(policy(given), caller, NOW);
  const them = { uid: 1001 };
  t.true(may({}, backup));
  t.false(may({}));
  t.false(may({ allow: [rule({})] }));
  t.true(may({ allow: [rule({ who: them, paths: ["/x"] })], paths: ["/y"], methods: ["POST"] }));
  t.false(may({ allow: [rule({ who: them, until: NOW })] }));
  t.false(may({ allow: [rule({ who: them })], deny: [rule({ who: { gid: 50 } })] }));
  t.true(may({ allow: [rule({ who: them })], deny: [rule({ methods: ["GET"] })] }));
});

test("a refusal names the rule, and says what else to do", (t) => {
  const denied = decide(
    "labelf",
    policy({ deny: [rule({ name: "no editors" })] }),
    backup,
    token,
    NOW,
  );
  t.is(
    denied.allowed || denied.message,
    "labelf: /usr/bin/backup (process 4711) is refused by the rule no editors",
  );
  const script = decide("labelf", policy({ allow: [rule({ who: program })] }), python, token, NOW);
  t.regex(script.allowed ? "" : script.message, /runs whatever it is told to/);
  const hidden = decide("labelf", policy({ expose: "request" }), backup, token, NOW);
  t.regex(hidden.allowed ? "" : hidden.message, /authd request labelf URL/);
});

test("a rule's confirmation and rate come with the verdict, the credential's confirmation stands in", (t) => {
  const rate = { count: 60, perMs: 60_000 };
  const given = policy({
    confirm: "first",
    allow: [rule({ name: "a", who: { unit: "no.service" } }), rule({ name: "b", rate })],
  });
  t.deepEqual(decide("labelf", given, backup, token, NOW), {
    allowed: true,
    rule: "b",
    confirm: "first",
    rate,
  });
  const always = policy({ confirm: "first", allow: [rule({ confirm: "always" })] });
  const verdict = decide("labelf", always, backup, token, NOW);
  t.is(verdict.allowed && verdict.confirm, "always");
});

test("a rule that is never asked about goes before what asks", (t) => {
  const given = policy({
    confirm: "first",
    allow: [rule({ name: "a", who: program, confirm: "never" }), rule({ name: "b" })],
  });
  t.deepEqual(decide("labelf", given, backup, token, NOW), { allowed: true, rule: "a" });
  t.deepEqual(decide("labelf", given, python, token, NOW), {
    allowed: true,
    rule: "b",
    confirm: "first",
  });
});

test("what must be found out is what some rule names", (t) => {
  t.deepEqual([...needs(policy({}))], []);
  const given = policy({
    allow: [rule({ who: { unit: "a.service" } })],
    deny: [rule({ who: program })],
  });
  t.deepEqual([...needs(given)].sort(), ["executable", "unit"]);
});

test("a policy is open only if it limits nothing", (t) => {
  t.true(isOpen(policy({})));
  for (const limit of [
    { expose: "request" },
    { confirm: "first" },
    { methods: [] },
    { paths: [] },
    { allow: [rule({})] },
    { deny: [rule({})] },
  ] as const) {
    t.false(isOpen(policy(limit)), JSON.stringify(limit));
  }
});
