import type { FleetKeys } from "../../vault/store/index.ts";
import type { Refusal } from "./store-connection.ts";

/** Returns what is wrong with the groups of the settings: this host was not let into one; undefined: nothing. */
export function groupMistake(
  groups: readonly string[] | undefined,
  { own }: Pick<FleetKeys, "own">,
): Refusal | undefined {
  const unknown = groups?.filter((group) => !own.has(group)) ?? [];
  if (unknown.length === 0) return undefined;
  const had = [...own.keys()].join(", ");
  return {
    message:
      `config.toml names groups in [store] that this host was not let into: ${unknown.join(", ")}. It was let into ${had}. ` +
      "It keeps what it has, and gets nothing new of groups that are not named",
    help: `correct groups in [store] of config.toml and restart authd, or let this host in: authd fleet invite --group ${unknown.join(" ")} on a host that has it, authd fleet join here`,
  };
}
