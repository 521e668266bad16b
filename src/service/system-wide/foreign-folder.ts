/** Other programs are called authd, too: their folders are neither ours to fill nor to delete. */
import { existsSync, readdirSync } from "node:fs";
import type { Places } from "./places.ts";

/** One of these stands in a folder that an authd of ours has used. */
const OURS = {
  configDir: ["config.toml", "credentials"],
  stateDir: ["vault", "audit.log"],
} as const;

/** Returns the folder that another program has filled; undefined if there is none. */
export function foreignFolder(places: Pick<Places, "configDir" | "stateDir">): string | undefined {
  const names = Object.keys(OURS) as (keyof typeof OURS)[];
  const found = names.find((name) => {
    if (!existsSync(places[name])) return false;
    const entries = readdirSync(places[name]);
    return entries.length > 0 && !OURS[name].some((own) => entries.includes(own));
  });
  return found && places[found];
}
