/** Draws a QR code in the terminal, for a telephone's camera. */
import type { Paint } from "../style.ts";
import { width } from "../style.ts";

/** Light modules are drawn: with colours the code is right on any background. */
export async function qrCode(text: string, columns: number, paint: Paint): Promise<string[]> {
  const { renderUnicodeCompact } = await import("uqr");
  const lines = renderUnicodeCompact(text, { border: 2 }).split("\n");
  // A code that wraps can't be read.
  if (lines.some((line) => width(line) > columns)) return [];
  return lines.map((line) => paint("whiteOnBlack", line));
}
