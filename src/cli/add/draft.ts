import { shellWord } from "../../base/shell-word.ts";
import type { SettingsInput } from "../settings-input.ts";
import type { Kind } from "./kind.ts";

/** A credential that a person is being asked for: what is known of it so far, without secrets. */
export interface Draft {
  name: string | undefined;
  kind: Kind | undefined;
  settings: SettingsInput;
  flags: readonly string[];
  /** `there`: the daemon has it. */
  stage: "checked" | "asked" | "sending" | "there";
}

/** Returns the command that asks for the rest; undefined where it would be no help. */
export function commandToGoOn({ name, kind, settings, flags, stage }: Draft): string | undefined {
  if (!kind || stage === "checked" || stage === "there") return undefined;
  const kindArgs = "preset" in kind ? ["--preset", kind.preset] : ["--grant", kind.grant];
  const sets = Object.entries(settings).flatMap(([key, value]) =>
    [value].flat().flatMap((each) => ["--set", `${key}=${each}`]),
  );
  const words = ["authd", "add", ...(name === undefined ? [] : [name]), ...kindArgs, ...sets];
  return [...words, ...flags].map(shellWord).join(" ");
}
