import type { CredentialDetails, Difference } from "../protocol.ts";
import { type Paint, plain } from "./style.ts";

/** Lists what an edited credential file changes about where secrets go, each key as it was and is. */
export function differenceLines(
  { name, differences }: Pick<CredentialDetails, "name" | "differences">,
  paint: Paint,
): string[] {
  if (!differences) return [`${plain(name)}: its file says what its secrets are bound to.`];
  const isKnown = differences.length > 0 && differences.every(({ was }) => was !== undefined);
  return [
    `${plain(name)}: its file says something else than what its secrets are bound to:`,
    ...differences.flatMap((one) => lines(one, paint)),
    ...(isKnown ? [] : [EARLIER]),
  ];
}

/** Text for a record that was sealed before records had `boundValues`. */
const EARLIER =
  "  An earlier version of authd sealed these secrets, and kept a digest alone: it can't tell what it was.";

function lines({ key, was, is }: Difference, paint: Paint): string[] {
  return [
    `  ${paint("bold", plain(key))}`,
    `    was  ${was === undefined ? paint("dim", "not known") : paint("red", valueText(was))}`,
    `    is   ${paint("green", valueText(is))}`,
  ];
}

/** A value of a setting for people; null: the key is not there. */
export function valueText(value: unknown): string {
  if (value === null || value === undefined) return "not there";
  return plain(typeof value === "string" ? value : JSON.stringify(value));
}
