import type { CredentialInfo, State } from "../../protocol.ts";
import { appearance } from "../credentials.ts";
import { apiOf } from "./credential-rows.ts";

/** By what a list is sorted; the next one follows at the press of a key. */
export const SORTS = ["problems", "name", "expiry", "last use"] as const;
export type Sort = (typeof SORTS)[number];

const { compare } = new Intl.Collator("en", { numeric: true });

/** Compares names as people count: `api-2` stands before `api-10`. */
const compareNames = (one: CredentialInfo, other: CredentialInfo) => compare(one.name, other.name);

/** Rank of a state in the order of problems; a person must act on the first. */
const RANK: Readonly<Record<State, number>> = {
  damaged: 0,
  changed: 0,
  rejected: 0,
  login_required: 0,
  locked: 1,
  failing: 2,
  refreshing: 3,
  ready: 3,
  idle: 3,
};

const KEYS: Readonly<Record<Sort, (info: CredentialInfo) => number>> = {
  problems: rankOf,
  name: () => 0,
  expiry: ({ expiresAt }) => expiresAt ?? Number.POSITIVE_INFINITY,
  "last use": ({ lastAskedAt = 0 }) => -lastAskedAt,
};

/** A fault makes a credential a problem whatever its state is. */
function rankOf(info: CredentialInfo): number {
  const { state, unsaved } = info;
  const isRed = state !== "locked" && appearance(info, Date.now()).style === "red";
  return unsaved || isRed ? 0 : RANK[state];
}

/**
 * Returns the credentials whose name, API, preset, grant or state has `filter` in it, sorted, and by
 * name where they are equal.
 */
export function arrange(
  credentials: readonly CredentialInfo[],
  sort: Sort,
  filter = "",
): CredentialInfo[] {
  const wanted = filter.toLowerCase();
  const matches = (info: CredentialInfo) =>
    [info.name, apiOf(info), info.preset ?? "", info.grant, info.state].some((text) =>
      text.toLowerCase().includes(wanted),
    );
  const found = wanted === "" ? [...credentials] : credentials.filter(matches);
  const key = KEYS[sort];
  return found.sort((one, other) => {
    const [before, after] = [key(one), key(other)];
    return before === after ? compareNames(one, other) : before - after;
  });
}
