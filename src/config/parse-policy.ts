/** Parses `expose`, `confirm`, `methods`, `paths`, `[[allow]]` and `[[deny]]` of a credential file. */
import { closeSync, constants, fstatSync, openSync, readSync, realpathSync } from "node:fs";
import { isAbsolute } from "node:path";
import { isInterpreter } from "../base/interpreter.ts";
import { omitUndefined } from "../base/omit-undefined.ts";
import type { Rate } from "../base/rate-limiter.ts";
import { normalizeScope } from "../base/scope.ts";
import { AuthdError, errorCode } from "../errors.ts";
import type { IdOf } from "./accounts.ts";
import { isOpen, type Policy, type Rule, type Who } from "./policy.ts";
import type { PolicyTable, RuleTable } from "./policy-schema.ts";

/** Returns undefined if nothing is limited. `idOf`: see accounts.ts. Throws AuthdError `invalid_params`. */
export function parsePolicy(given: PolicyTable, idOf: IdOf): Policy | undefined {
  const exposed = given.expose ?? "token";
  if (exposed === "token") refuseLimits(given, "");
  const rules = (kind: "allow" | "deny") =>
    withOwnNames(
      kind,
      (given[kind] ?? []).map((rule, index) => ruleOf(rule, `${kind}[${index + 1}]`, kind, idOf)),
    );
  const policy: Policy = omitUndefined({
    expose: exposed,
    confirm: given.confirm,
    methods: given.methods?.map(upper),
    paths: given.paths?.map((path) => checkedPath(path, "paths")),
    allow: rules("allow").map((rule) => {
      if (exposed === "token" && rule.expose !== "request") refuseLimits(rule, `${rule.name}.`);
      return rule;
    }),
    deny: rules("deny"),
  });
  if (isOpen(policy)) return undefined;
  const warnings = [...policy.allow, ...policy.deny].flatMap(warningsOf);
  return warnings.length > 0 ? { ...policy, warnings } : policy;
}

/** Says why a rule matches nobody now: no mistake of the file's, as the program may be installed later. */
function warningsOf({ name, who: { executable } }: Rule): string[] {
  if (executable === undefined) return [];
  const why = whyNoProgram(executable);
  if (why === undefined) return [];
  return [`the rule ${name} matches no program: ${executable} ${why}`];
}

function whyNoProgram(executable: string): string | undefined {
  let file: number | undefined;
  try {
    file = openSync(executable, constants.O_RDONLY | constants.O_NONBLOCK);
    if (!fstatSync(file).isFile()) return "is no file";
    const start = Buffer.alloc(2);
    readSync(file, start, 0, start.length, 0);
    return start.toString("latin1") === "#!"
      ? "is a script, and what the kernel names is the interpreter that runs it"
      : undefined;
  } catch (error) {
    // A program that may be run, but not read, is one.
    return errorCode(error) === "EACCES" ? undefined : "is not there";
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** Throws if two rules have one name: an answer that names a rule must mean a single one. */
function withOwnNames(kind: string, rules: Rule[]): Rule[] {
  const names = rules.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice === undefined) return rules;
  throw policyError(
    `two [[${kind}]] rules are called ${JSON.stringify(twice)}: give each its own name`,
  );
}

function ruleOf(given: RuleTable, place: string, kind: "allow" | "deny", idOf: IdOf): Rule {
  const name = given.name ?? place;
  return omitUndefined({
    name,
    who: whoOf(given, place, kind, idOf),
    expose: given.expose,
    scopes: given.scope?.map(normalizeScope),
    audiences: given.audience,
    methods: given.methods?.map(upper),
    paths: given.paths?.map((path) => checkedPath(path, `${place}.paths`)),
    confirm: given.confirm,
    rate: given.rate === undefined ? undefined : rateOf(given.rate),
    until: given.until === undefined ? undefined : Date.parse(given.until) + DAY,
  });
}

function whoOf(given: RuleTable, place: string, kind: "allow" | "deny", idOf: IdOf): Who {
  const { executable, sha256, unit, cgroup, pod, user, group } = given;
  if (executable !== undefined && !isAbsolute(executable)) {
    throw policyError(`${place}.executable must be an absolute path, such as /usr/bin/backup`);
  }
  const program = executable === undefined ? undefined : resolved(executable);
  if (program !== undefined && kind === "allow" && isInterpreter(program)) {
    throw policyError(
      `${place}.executable: ${program} runs whatever it is told to, so it would let every script in; name a unit, or let a person confirm`,
    );
  }
  return omitUndefined({
    executable: program,
    sha256: sha256?.toLowerCase(),
    unit,
    cgroup,
    pod,
    uid: user === undefined ? undefined : idOf("user", user),
    gid: group === undefined ? undefined : idOf("group", group),
  });
}

/** Resolves links, as the kernel does for a running program. A path that is not there yet stays as it is. */
function resolved(executable: string): string {
  try {
    return realpathSync.native(executable);
  } catch {
    return executable;
  }
}

/** Throws if methods or paths are limited for holders of the token, who can send it with any and to any. */
function refuseLimits(given: { methods?: unknown; paths?: unknown }, place: string): void {
  const key = given.methods ? "methods" : given.paths ? "paths" : undefined;
  if (key === undefined) return;
  throw policyError(
    `${place}${key} binds authorizedRequest only, not a program that has the token: add expose = "request" beside it`,
  );
}

function checkedPath(path: string, place: string): string {
  const spelled = path.startsWith("/") && new URL(path, "http://localhost").pathname;
  const early = path.indexOf("*");
  if (spelled === path && (early === -1 || early === path.length - 1)) return path;
  throw policyError(
    `${place}: ${JSON.stringify(path)} must be a path as a URL spells it, such as /v2/tickets, or /v2/* for all below`,
  );
}

const SECOND = 1_000;
const DAY = 86_400_000;
const UNITS: Record<string, number> = { s: SECOND, m: 60 * SECOND, h: 3_600 * SECOND, d: DAY };

function rateOf(text: string): Rate {
  const [count, unit] = text.split("/");
  return { count: Number(count), perMs: UNITS[unit!]! };
}

const upper = (method: string) => method.toUpperCase();

function policyError(what: string): AuthdError {
  return new AuthdError("invalid_params", `${what}.`);
}
