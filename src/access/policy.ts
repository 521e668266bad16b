import { foldedHeader } from "../base/header-names.ts";
import type { Rate } from "../base/rate-limiter.ts";
import type { Confirm, Policy, Rule, Who } from "../config/policy.ts";

/**
 * Facts about a caller. Undefined means unknown: `[[allow]]` rules about that fact do not match then, and
 * `[[deny]]` rules do.
 */
export interface Caller {
  /** The daemon's own user, or root. */
  readonly isOwn: boolean;
  readonly uid: number | undefined;
  /** All groups of the process. */
  readonly gids: readonly number[] | undefined;
  readonly executable: string | undefined;
  /** It runs what its arguments say (a shell, node, python): rules on `executable` do not match. */
  readonly isInterpreter: boolean;
  readonly sha256: string | undefined;
  /** systemd unit; null: none. */
  readonly unit: string | null | undefined;
  /** Control group, as a path from the root of all. */
  readonly cgroup?: string | undefined;
  /** Kubernetes pod, `namespace/name`; null: none. */
  readonly pod?: string | null | undefined;
  /** Name for people, such as `/usr/bin/backup (process 4711)`. */
  readonly displayName: string;
}

/**
 * One use of a credential. Scope (as `normalizeScope` spells it) and audience are the credential's own if
 * the caller names none.
 */
export type Use =
  | { readonly kind: "token"; readonly scope: string; readonly audience: string }
  /** A new token is obtained; the caller does not get it. */
  | { readonly kind: "refresh"; readonly scope: string; readonly audience: string }
  | {
      readonly kind: "request";
      readonly scope: string;
      readonly audience: string;
      /** In upper case. */
      readonly method: string;
      /** Path as the WHATWG URL parser spells it. */
      readonly path: string;
      /** Header by which some servers take another method or path (see `overrideHeader`). */
      readonly override?: string;
    };

export type Verdict =
  | {
      readonly allowed: true;
      readonly rule: string;
      readonly confirm?: Confirm;
      readonly rate?: Rate;
    }
  | {
      readonly allowed: false;
      readonly rule: string;
      readonly reason: "caller_not_allowed" | "token_not_exposed" | "origin_not_allowed";
      readonly message: string;
    };

/** Returns the facts about a caller that the rules refer to. */
export function needs({ allow, deny }: Policy): ReadonlySet<keyof Who> {
  const rules = [...allow, ...deny];
  return new Set(rules.flatMap(({ who }) => Object.keys(who) as (keyof Who)[]));
}

/**
 * Decides whether a caller may use the credential in this way. A `[[deny]]` rule wins; then the limits of
 * the whole credential; then the first `[[allow]]` rule that matches. Without `[[allow]]` rules, programs
 * of the daemon's user may.
 */
export function decide(
  name: string,
  policy: Policy,
  caller: Caller,
  use: Use,
  now: number,
): Verdict {
  const denied = policy.deny.find(
    (rule) => isInForce(rule, now) && mayMatch(rule.who, caller) && mayCover(rule, use),
  );
  if (denied) {
    const message = `${name}: ${caller.displayName} is refused by the rule ${denied.name}`;
    return deny(denied.name, "caller_not_allowed", message);
  }
  if (use.kind === "token" && policy.expose === "request") return notExposed(name, "expose");
  const denial = use.kind === "request" ? denialByLimits(name, policy, use) : undefined;
  if (denial) return denial;
  if (policy.allow.length === 0) {
    if (caller.isOwn) return allowed("default", policy.confirm);
    const message = `${name}: ${caller.displayName} is another user's, and no [[allow]] rule names it`;
    return deny("default", "caller_not_allowed", message);
  }
  const meant = policy.allow.filter((rule) => isInForce(rule, now) && admits(rule, caller));
  const covering = meant.filter((rule) => covers(rule, use));
  const rule = covering.find(({ expose }) => use.kind !== "token" || expose !== "request");
  if (rule) {
    const { confirm = policy.confirm } = rule;
    return allowed(rule.name, confirm === "never" ? undefined : confirm, rule.rate);
  }
  const [forRequests] = covering;
  if (forRequests) return notExposed(name, forRequests.name);
  return deny("allow", "caller_not_allowed", `${name}: ${whyNone(policy, caller, meant)}`);
}

/** True if the caller may use the credential in some way, as far as its facts are known. */
export function mayUse({ allow, deny }: Policy, caller: Caller, now: number): boolean {
  const isDenied = deny.some(
    (rule) => isInForce(rule, now) && mayMatch(rule.who, caller) && isForAllUses(rule),
  );
  if (isDenied) return false;
  if (allow.length === 0) return caller.isOwn;
  return allow.some((rule) => isInForce(rule, now) && admits(rule, caller));
}

const isInForce = ({ until }: Rule, now: number) => until === undefined || now < until;

/** True if an `[[allow]]` rule is about the caller. Other users need a rule that names them. */
function admits({ who }: Rule, caller: Caller): boolean {
  return (caller.isOwn || Object.keys(who).length > 0) && matches(who, caller);
}

function isForAllUses({ scopes, audiences, methods, paths }: Rule): boolean {
  return (scopes ?? audiences ?? methods ?? paths) === undefined;
}

function allowed(rule: string, confirm?: Confirm, rate?: Rate): Verdict {
  return {
    allowed: true,
    rule,
    ...(confirm === undefined ? {} : { confirm }),
    ...(rate === undefined ? {} : { rate }),
  };
}

type PolicyDenial = Extract<Verdict, { allowed: false }>;

function deny(rule: string, reason: PolicyDenial["reason"], message: string): PolicyDenial {
  return { allowed: false, rule, reason, message };
}

function notExposed(name: string, rule: string): PolicyDenial {
  return deny(
    rule,
    "token_not_exposed",
    `${name}: its token does not leave authd (${rule}); send the request with \`authd request ${name} URL\` or authorizedRequest instead`,
  );
}

/** Applies the limits of the whole credential; also to the target of a redirect. */
function denialByLimits(
  name: string,
  { methods, paths }: Pick<Policy, "methods" | "paths">,
  { method, path, override }: { method: string; path: string; override?: string },
): PolicyDenial | undefined {
  if (override !== undefined && (methods ?? paths)) {
    const message = `${name}: the header ${override} could make another method or path of it, and those are limited`;
    return deny(methods ? "methods" : "paths", "origin_not_allowed", message);
  }
  if (methods && !methods.includes(method)) {
    const message = `${name}: ${method} is not one of its methods (${methods.join(", ")})`;
    return deny("methods", "origin_not_allowed", message);
  }
  if (paths && !reaches(paths, path)) {
    const message = `${name}: this path is not one of its paths (${paths.join(", ")})`;
    return deny("paths", "origin_not_allowed", message);
  }
  return undefined;
}

/** True if the caller is known to be everything that `who` names. */
function matches(who: Who, caller: Caller): boolean {
  return checks(who, caller).every((check) => check === true);
}

/** True unless the caller is known to differ from `who`. */
function mayMatch(who: Who, caller: Caller): boolean {
  return checks(who, { ...caller, isInterpreter: false }).every((check) => check !== false);
}

/** Compares each fact that `who` names; undefined: the fact is not known. */
function checks(who: Who, caller: Caller): (boolean | undefined)[] {
  const same = <Value>(wanted: Value | undefined, is: Value | null | undefined) =>
    wanted === undefined ? [] : [is === undefined ? undefined : wanted === is];
  const like = (wanted: string | undefined, is: string | null | undefined) =>
    wanted === undefined ? [] : [is === undefined ? undefined : is !== null && fits(wanted, is)];
  const unlessInterpreter = (result: (boolean | undefined)[]) =>
    result.map((one) => one && !caller.isInterpreter);
  return [
    ...unlessInterpreter(same(spelled(who.executable), spelled(caller.executable))),
    ...unlessInterpreter(same(who.sha256, caller.sha256)),
    ...same(who.unit, caller.unit),
    ...like(who.cgroup, caller.cgroup),
    ...like(who.pod, caller.pod),
    ...same(who.uid, caller.uid),
    ...(who.gid === undefined ? [] : [caller.gids?.includes(who.gid)]),
  ];
}

/** A `*` at the end stands for all that begins so. */
function fits(wanted: string, is: string): boolean {
  return wanted.endsWith("*") ? is.startsWith(wanted.slice(0, -1)) : is === wanted;
}

/** Windows takes no account of case in the name of a file. */
const spelled =
  process.platform === "win32" ? (path?: string) => path?.toLowerCase() : (path?: string) => path;

/** True if an `[[allow]]` rule certainly covers this use. */
function covers({ scopes, audiences, methods, paths }: Rule, use: Use): boolean {
  if (scopes && !scopes.includes(use.scope)) return false;
  if (audiences && !audiences.includes(use.audience)) return false;
  if (use.kind !== "request") return true;
  if (use.override !== undefined && (methods ?? paths)) return false;
  return (!methods || methods.includes(use.method)) && (!paths || reaches(paths, use.path));
}

/** True if a `[[deny]]` rule covers this use in any way in which a server may read it. */
function mayCover({ scopes, audiences, methods, paths }: Rule, use: Use): boolean {
  // Some servers split scopes at commas too.
  const asked = new Set([...use.scope.split(" "), ...use.scope.split(/[\s,]+/)]);
  const asksFor = (scope: string) => scope.split(" ").every((one) => asked.has(one));
  if (scopes && !scopes.some(asksFor)) return false;
  if (audiences && !audiences.includes(use.audience)) return false;
  // A refresh sends nothing to the API.
  if (use.kind === "refresh") return (methods ?? paths) === undefined;
  // A program that has the token can use any method and path.
  if (use.kind !== "request" || use.override !== undefined) return true;
  return (!methods || methods.includes(use.method)) && (!paths || mayReach(paths, use.path));
}

/** Paths that servers read differently: an encoded slash, backslash or NUL, or dots that the URL parser left. */
const AMBIGUOUS_PATH = /%(25)*(2f|5c|00)|\/(\.|%(25)*2e){1,2}(;|%(25)*3b|\/|$)/i;

/** True if the path certainly matches one of `paths`. */
function reaches(paths: readonly string[], path: string): boolean {
  if (AMBIGUOUS_PATH.test(path)) return false;
  return paths.some((one) =>
    one.endsWith("*") ? path.startsWith(one.slice(0, -1)) : path === one,
  );
}

/** True if some server may read the path as one of `paths`. */
function mayReach(paths: readonly string[], path: string): boolean {
  const normalized = normalizeLeniently(path);
  if (normalized === undefined) return true;
  return paths.some((one) => {
    const beginning = one.endsWith("*") ? one.slice(0, -1) : undefined;
    const meant = normalizeLeniently(beginning ?? one);
    if (meant === undefined) return true;
    if (beginning === undefined) return normalized === meant;
    const isFolder = beginning.endsWith("/") && meant !== "/";
    return `${normalized}/`.startsWith(isFolder ? `${meant}/` : meant);
  });
}

/**
 * Normalizes a path as the most lenient server would: decoded repeatedly, in lower case, without dots,
 * parameters, empty parts and a slash at the end. Returns undefined if it can't be decoded.
 */
function normalizeLeniently(path: string): string | undefined {
  let text = path;
  try {
    for (let last = ""; text !== last; ) {
      last = text;
      text = decodeURIComponent(text);
    }
  } catch {
    return undefined;
  }
  const parts: string[] = [];
  for (const part of text.toLowerCase().split(/[\\/]/)) {
    const name = part.replace(/[;\0].*$/s, "");
    if (name === "..") parts.pop();
    else if (name !== "" && name !== ".") parts.push(name);
  }
  return `/${parts.join("/")}`;
}

/** Headers by which some servers take another method or path. */
const OVERRIDE_HEADERS: ReadonlySet<string> = new Set([
  "x-http-method-override",
  "x-http-method",
  "x-method-override",
  "x-original-method",
  "x-original-url",
  "x-original-uri",
  "x-rewrite-url",
]);

/** Returns the first of `headers` by which some servers take another method or path. */
export function overrideHeader(headers: Readonly<Record<string, string>>): string | undefined {
  return Object.keys(headers).find((name) => OVERRIDE_HEADERS.has(foldedHeader(name)));
}

function whyNone({ allow }: Policy, caller: Caller, meant: readonly Rule[]): string {
  if (meant.length > 0) {
    const names = meant.map(({ name }) => name).join(", ");
    return `${caller.displayName} may not use it in this way; of what is allowed to it, see ${names}`;
  }
  const byProgram = allow.some(
    ({ who }) => who.executable !== undefined || who.sha256 !== undefined,
  );
  const because =
    byProgram && caller.isInterpreter
      ? "; it runs whatever it is told to, so no rule on executables can mean it: name a unit, or let a person confirm"
      : "";
  return `no [[allow]] rule matches ${caller.displayName}${because}`;
}
