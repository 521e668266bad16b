import { foldedHeader } from "../base/header-names.ts";
import type { Rate } from "../base/rate-limiter.ts";
import type { Confirm, Policy, Rule, Who } from "../config/policy.ts";

/** What can be known of a caller; undefined: it can't be known, and the strictest rule counts. */
export interface Caller {
  /** The daemon's own user, or root. */
  readonly isOwn: boolean;
  readonly uid: number | undefined;
  /** All its groups. */
  readonly gids: readonly number[] | undefined;
  readonly executable: string | undefined;
  /** It runs whatever it is told to (a shell, node, python): no `executable` may vouch for it. */
  readonly isInterpreter: boolean;
  readonly sha256: string | undefined;
  /** Null: it is in none. */
  readonly unit: string | null | undefined;
  /** For people: `/usr/bin/backup (process 4711)`. */
  readonly shown: string;
}

/** What a caller wants. The credential's own scope (as `normalizeScope` spells it) and audience, if it names none. */
export type Use =
  | { readonly kind: "token"; readonly scope: string; readonly audience: string }
  /** Another token is obtained, which the caller does not get. */
  | { readonly kind: "refresh"; readonly scope: string; readonly audience: string }
  | {
      readonly kind: "request";
      readonly scope: string;
      readonly audience: string;
      /** In upper case. */
      readonly method: string;
      /** As the WHATWG URL parser spells it. */
      readonly path: string;
      /** A header with which some servers take another method or path than the request's (see `steering`). */
      readonly steers?: string;
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

/** What has to be found out about a caller before these rules can be applied. */
export function needs({ allow, deny }: Policy): ReadonlySet<keyof Who> {
  const rules = [...allow, ...deny];
  return new Set(rules.flatMap(({ who }) => Object.keys(who) as (keyof Who)[]));
}

/**
 * May this caller use the credential in this way? Deny wins; then what the whole credential is
 * limited to; then the first `[[allow]]` that matches decides. Without any, the daemon's own user may.
 */
export function decide(
  name: string,
  policy: Policy,
  caller: Caller,
  use: Use,
  now: number,
): Verdict {
  const denied = policy.deny.find(
    (rule) => inForce(rule, now) && mayMatch(rule.who, caller) && mayCover(rule, use),
  );
  if (denied) {
    const message = `${name}: ${caller.shown} is refused by the rule ${denied.name}`;
    return deny(denied.name, "caller_not_allowed", message);
  }
  if (use.kind === "token" && policy.expose === "request") return notExposed(name, "expose");
  const outside = use.kind === "request" ? outsideOf(name, policy, use) : undefined;
  if (outside) return outside;
  if (policy.allow.length === 0) {
    if (caller.isOwn) return allowed("default", policy.confirm);
    const message = `${name}: ${caller.shown} is another user's, and no [[allow]] rule names it`;
    return deny("default", "caller_not_allowed", message);
  }
  const meant = policy.allow.filter((rule) => inForce(rule, now) && admits(rule, caller));
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

/** Whether there is any way in which this caller may use the credential, as far as is known of it. */
export function mayUse({ allow, deny }: Policy, caller: Caller, now: number): boolean {
  const shutOut = deny.some(
    (rule) => inForce(rule, now) && mayMatch(rule.who, caller) && isForAllUses(rule),
  );
  if (shutOut) return false;
  if (allow.length === 0) return caller.isOwn;
  return allow.some((rule) => inForce(rule, now) && admits(rule, caller));
}

const inForce = ({ until }: Rule, now: number) => until === undefined || now < until;

/** Another user's program is let in by a rule that names who it is, never by one for everybody. */
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

/** What the whole credential is limited to, whoever asks; also for where a redirect leads. */
function outsideOf(
  name: string,
  { methods, paths }: Pick<Policy, "methods" | "paths">,
  { method, path, steers }: { method: string; path: string; steers?: string },
): PolicyDenial | undefined {
  if (steers !== undefined && (methods ?? paths)) {
    const message = `${name}: the header ${steers} could make another method or path of it, and those are limited`;
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

/** All that `who` names is known of the caller, and is so. */
function matches(who: Who, caller: Caller): boolean {
  return checks(who, caller).every((check) => check === true);
}

/** Nothing that `who` names is known to be otherwise. */
function mayMatch(who: Who, caller: Caller): boolean {
  return checks(who, { ...caller, isInterpreter: false }).every((check) => check !== false);
}

/** One entry for each thing that `who` names; undefined: it can't be known. */
function checks(who: Who, caller: Caller): (boolean | undefined)[] {
  const same = <Value>(wanted: Value | undefined, is: Value | null | undefined) =>
    wanted === undefined ? [] : [is === undefined ? undefined : wanted === is];
  const vouches = (result: (boolean | undefined)[]) =>
    result.map((one) => one && !caller.isInterpreter);
  return [
    ...vouches(same(who.executable, caller.executable)),
    ...vouches(same(who.sha256, caller.sha256)),
    ...same(who.unit, caller.unit),
    ...same(who.uid, caller.uid),
    ...(who.gid === undefined ? [] : [caller.gids?.includes(who.gid)]),
  ];
}

/** Whether an `[[allow]]` rule is about this use: beyond doubt. */
function covers({ scopes, audiences, methods, paths }: Rule, use: Use): boolean {
  if (scopes && !scopes.includes(use.scope)) return false;
  if (audiences && !audiences.includes(use.audience)) return false;
  if (use.kind !== "request") return true;
  if (use.steers !== undefined && (methods ?? paths)) return false;
  return (!methods || methods.includes(use.method)) && (!paths || reaches(paths, use.path));
}

/** Whether a `[[deny]]` rule could be about this use, in whatever way a server reads it. */
function mayCover({ scopes, audiences, methods, paths }: Rule, use: Use): boolean {
  // Some servers split scopes at more than spaces.
  const asked = new Set([...use.scope.split(" "), ...use.scope.split(/[\s,]+/)]);
  const asksFor = (scope: string) => scope.split(" ").every((one) => asked.has(one));
  if (scopes && !scopes.some(asksFor)) return false;
  if (audiences && !audiences.includes(use.audience)) return false;
  // A refresh sends nothing to the API.
  if (use.kind === "refresh") return (methods ?? paths) === undefined;
  // Who has the token can send it with any method and to any path.
  if (use.kind !== "request" || use.steers !== undefined) return true;
  return (!methods || methods.includes(use.method)) && (!paths || mayReach(paths, use.path));
}

/** What servers read differently: an encoded slash, backslash or NUL, and dots that the URL parser left. */
const AMBIGUOUS_PATH = /%(25)*(2f|5c|00)|\/(\.|%(25)*2e){1,2}(;|%(25)*3b|\/|$)/i;

/** A path that servers read differently is inside of nothing. */
function reaches(paths: readonly string[], path: string): boolean {
  if (AMBIGUOUS_PATH.test(path)) return false;
  return paths.some((one) =>
    one.endsWith("*") ? path.startsWith(one.slice(0, -1)) : path === one,
  );
}

function mayReach(paths: readonly string[], path: string): boolean {
  const plain = normalizeLeniently(path);
  if (plain === undefined) return true;
  return paths.some((one) => {
    const beginning = one.endsWith("*") ? one.slice(0, -1) : undefined;
    const meant = normalizeLeniently(beginning ?? one);
    if (meant === undefined) return true;
    if (beginning === undefined) return plain === meant;
    const isFolder = beginning.endsWith("/") && meant !== "/";
    return `${plain}/`.startsWith(isFolder ? `${meant}/` : meant);
  });
}

/**
 * As the most lenient server would read a path: decoded as often as it goes, in lower case, without
 * dots, parameters, empty parts and a slash at the end. Undefined: who knows.
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

const OVERRIDE_HEADERS: ReadonlySet<string> = new Set([
  "x-http-method-override",
  "x-http-method",
  "x-method-override",
  "x-original-method",
  "x-original-url",
  "x-original-uri",
  "x-rewrite-url",
]);

/** The first of these headers with which some servers take another method or path. */
export function overrideHeader(headers: Readonly<Record<string, string>>): string | undefined {
  return Object.keys(headers).find((name) => OVERRIDE_HEADERS.has(foldedHeader(name)));
}

function whyNone({ allow }: Policy, caller: Caller, meant: readonly Rule[]): string {
  if (meant.length > 0) {
    const names = meant.map(({ name }) => name).join(", ");
    return `${caller.shown} may not use it in this way; of what is allowed to it, see ${names}`;
  }
  const byProgram = allow.some(
    ({ who }) => who.executable !== undefined || who.sha256 !== undefined,
  );
  const because =
    byProgram && caller.isInterpreter
      ? "; it runs whatever it is told to, so no rule on executables can mean it: name a unit, or let a person confirm"
      : "";
  return `no [[allow]] rule matches ${caller.shown}${because}`;
}
