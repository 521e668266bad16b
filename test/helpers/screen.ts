import xterm from "@xterm/headless";

/** Columns and rows of a terminal. */
export interface Size {
  columns: number;
  rows: number;
}

/** One line of a screen. `isWrapped`: it continues the one above, which was too long for the terminal. */
export interface ScreenLine {
  text: string;
  isWrapped: boolean;
}

/** Returns what a terminal of `size` shows after `output`, with what has scrolled out at the top. */
export async function screenOf(output: string, size: Size): Promise<ScreenLine[]> {
  const { columns: cols, rows } = size;
  const terminal = new xterm.Terminal({ cols, rows, scrollback: 10_000, allowProposedApi: true });
  await new Promise<void>((done) => terminal.write(output, done));
  const { active } = terminal.buffer;
  const lines = Array.from({ length: active.length }, (_, index) => active.getLine(index));
  const shown = lines.map((line) => ({
    text: line?.translateToString(true) ?? "",
    isWrapped: line?.isWrapped === true,
  }));
  terminal.dispose();
  return shown;
}
