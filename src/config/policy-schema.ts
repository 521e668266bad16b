import * as z from "../base/zod.ts";
import { account } from "./accounts.ts";

const texts = z.array(z.nonEmpty);
const expose = z.described(
  z.enum(["token", "request"]),
  '"request": the token never leaves authd; programs hand over their requests',
);
const confirm = z.described(
  z.enum(["first", "session", "always"]),
  "When a person is asked: once a program, once until authd locks or ends, each time",
);
const ruleConfirm = z.described(
  z.enum(["first", "session", "always", "never"]),
  "When a person is asked; never: not even if the credential says so",
);
const methods = z.described(texts, "HTTP methods that authorizedRequest may use");
const paths = z.described(texts, "Paths that it may reach, exact or ending in *");

const who = {
  name: z.described(
    z.string().check(
      z.regex(
        /^(?!(default|expose|methods|paths|allow|guarded)$)[\p{L}\p{N}][\p{L}\p{N} ._:@/+-]{0,63}$/u,
        {
          error:
            "expected a name of letters, digits, spaces and . _ : @ / + -, that no rule of authd has",
        },
      ),
    ),
    "What answers and the audit log call this rule",
  ),
  executable: z.described(z.string(), "Absolute path of the program"),
  sha256: z.described(
    z.string().check(z.regex(/^[0-9a-fA-F]{64}$/, "must be 64 hexadecimal digits")),
    "Of the program's file",
  ),
  unit: z.described(z.nonEmpty, "systemd unit that the program runs in"),
  cgroup: z.described(
    z.string().check(
      z.regex(/^\/(?!.*\/\.\.?(\/|$))[^*]*\*?$/, {
        error: "expected a path such as /web.slice/*, with a * at the end only",
      }),
    ),
    "Control group (Linux) that the program runs in, exact or ending in *",
  ),
  pod: z.described(
    z.string().check(
      z.regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\/([a-z0-9][a-z0-9.-]*\*?|\*)$/, {
        error: "expected namespace/name, such as shop/web-0 or shop/web-*",
      }),
    ),
    "Kubernetes pod of this node that it runs in: namespace/name, exact or ending in *",
  ),
  user: z.described(account, "User, by name or number"),
  group: z.described(account, "Group, by name or number"),
  scope: z.described(texts, "Scopes that may be asked for"),
  audience: z.described(texts, "Audiences that may be asked for"),
  methods,
  paths,
  until: z.described(z.iso.date(), "The last day (UTC) on which the rule counts"),
};

const rate = z.described(
  z
    .string()
    .check(
      z.regex(/^[1-9]\d{0,6}\/(s|m|h|d)$/, 'must be such as "60/m": a count and s, m, h or d'),
    ),
  "How often it may be used",
);

/** The keys of a credential file that limit who uses it, and how. */
export const policyKeys = {
  expose,
  confirm,
  methods,
  paths,
  allow: z.array(z.partial(z.strictObject({ ...who, expose, confirm: ruleConfirm, rate }))),
  deny: z.array(z.partial(z.strictObject(who))),
};

const policySchema = z.partial(z.object(policyKeys));
export type PolicyTable = z.output<typeof policySchema>;
export type RuleTable = NonNullable<PolicyTable["allow"]>[number];
