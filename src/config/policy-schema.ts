import * as z from "../base/zod.ts";
import { account } from "./accounts.ts";

const texts = z.array(z.string().min(1));
const expose = z
  .enum(["token", "request"])
  .describe('"request": the token never leaves authd; programs hand over their requests');
const confirm = z
  .enum(["first", "session", "always"])
  .describe("When a person is asked: once a program, once until authd locks or ends, each time");
const ruleConfirm = z
  .enum(["first", "session", "always", "never"])
  .describe("When a person is asked; never: not even if the credential says so");
const methods = texts.describe("HTTP methods that authorizedRequest may use");
const paths = texts.describe("Paths that it may reach, exact or ending in *");

const who = {
  name: z
    .string()
    .regex(
      /^(?!(default|expose|methods|paths|allow|guarded)$)[\p{L}\p{N}][\p{L}\p{N} ._:@/+-]{0,63}$/u,
      {
        error:
          "expected a name of letters, digits, spaces and . _ : @ / + -, that no rule of authd has",
      },
    )
    .describe("What answers and the audit log call this rule"),
  executable: z.string().describe("Absolute path of the program"),
  sha256: z
    .string()
    .regex(/^[0-9a-fA-F]{64}$/, "must be 64 hexadecimal digits")
    .describe("Of the program's file"),
  unit: z.string().min(1).describe("systemd unit that the program runs in"),
  cgroup: z
    .string()
    .regex(/^\/(?!.*\/\.\.?(\/|$))[^*]*\*?$/, {
      error: "expected a path such as /web.slice/*, with a * at the end only",
    })
    .describe("Control group (Linux) that the program runs in, exact or ending in *"),
  pod: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\/([a-z0-9][a-z0-9.-]*\*?|\*)$/, {
      error: "expected namespace/name, such as shop/web-0 or shop/web-*",
    })
    .describe("Kubernetes pod of this node that it runs in: namespace/name, exact or ending in *"),
  user: account.describe("User, by name or number"),
  group: account.describe("Group, by name or number"),
  scope: texts.describe("Scopes that may be asked for"),
  audience: texts.describe("Audiences that may be asked for"),
  methods,
  paths,
  until: z.iso.date().describe("The last day (UTC) on which the rule counts"),
};

const rate = z
  .string()
  .regex(/^[1-9]\d{0,6}\/(s|m|h|d)$/, 'must be such as "60/m": a count and s, m, h or d')
  .describe("How often it may be used");

/** The keys of a credential file that limit who uses it, and how. */
export const policyKeys = {
  expose,
  confirm,
  methods,
  paths,
  allow: z.array(z.strictObject({ ...who, expose, confirm: ruleConfirm, rate }).partial()),
  deny: z.array(z.strictObject(who).partial()),
};

const policySchema = z.object(policyKeys).partial();
export type PolicyTable = z.output<typeof policySchema>;
export type RuleTable = NonNullable<PolicyTable["allow"]>[number];
