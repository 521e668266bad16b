import { whyNotAName } from "../../config/config.ts";
import { askText } from "../prompts.ts";
import type { Kind } from "./kind.ts";

/** Asks what a new credential is called; `taken` are names that there are already. */
export async function askName(kind: Kind, taken: ReadonlySet<string>): Promise<string> {
  const fallback = "preset" in kind ? freeName(kind.preset, taken) : undefined;
  const check = (name: string) => {
    const why = whyNotAName(name);
    if (why !== undefined) return `No name: ${why}.`;
    return taken.has(name) ? `There is a credential called ${name}.` : undefined;
  };
  const hint = "you will type it: lower case, digits, dots, hyphens";
  return (await askText({ label: "What will you call it?", hint, fallback, check })) ?? "";
}

function freeName(wanted: string, taken: ReadonlySet<string>): string {
  let name = wanted;
  for (let number = 2; taken.has(name); number++) name = `${wanted}-${number}`;
  return name;
}
