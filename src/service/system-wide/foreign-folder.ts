/** Recognizes folders of another program called authd, which must be neither filled nor deleted. */
import { existsSync, readdirSync } from "node:fs";
import type { Places } from "./places.ts";

/** Entries of which at least one is in a folder that this authd has used. */
const OURS = {
  configDir: ["config.toml", "credentials", "presets"],
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
