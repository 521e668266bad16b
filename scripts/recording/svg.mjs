// Draws what a terminal showed as one SVG that plays by itself: frames side by side, moved by CSS in steps.

const CELL = { width: 8.4, height: 18 };
const PADDING = 14;
/** How long (s) the last frame stays. */
const LAST_S = 3;
const COLOURS = { 1: "#e5534b", 2: "#57ab5a", 3: "#c69026", 6: "#39c5cf" };
const FOREGROUND = "#cdd9e5";
const BACKGROUND = "#1c2128";

/**
 * Returns the SVG of `frames`, each `{ at, rows }`: `at` in seconds from the start, `rows` as `readRows`
 * returns them. `size`: `{ columns, rows }` of the terminal.
 */
export function drawSvg(frames, { columns, rows }) {
  const width = Math.ceil(columns * CELL.width + 2 * PADDING);
  const height = rows * CELL.height + 2 * PADDING;
  const ids = new Map();
  const idOf = (row) => {
    if (!ids.has(row)) ids.set(row, `r${ids.size}`);
    return ids.get(row);
  };
  const groups = frames.map(({ rows }, index) => {
    const uses = rows.map((row, y) =>
      row === "" ? "" : `<use href="#${idOf(row)}" y="${y * CELL.height}"/>`,
    );
    return `<g transform="translate(${index * width})">${uses.join("")}</g>`;
  });
  const seconds = frames.at(-1).at + LAST_S;
  const steps = frames.map(
    ({ at }, index) =>
      `${((at / seconds) * 100).toFixed(2)}%{transform:translateX(${-index * width}px)}`,
  );
  const definitions = [...ids].map(([row, id]) => `<g id="${id}">${row}</g>`);
  const last = -(frames.length - 1) * width;
  return `<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<title>authd in a terminal: an API is added, asked, and watched</title>
<style>text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:${FOREGROUND};white-space:pre}
.b{font-weight:bold}.d{opacity:.6}
#play{animation:play ${seconds.toFixed(2)}s step-end infinite}
@keyframes play{${steps.join("")}100%{transform:translateX(${last}px)}}
@media (prefers-reduced-motion:reduce){#play{animation:none;transform:translateX(${last}px)}}</style>
<defs>${definitions.join("\n")}</defs>
<rect width="100%" height="100%" rx="8" fill="${BACKGROUND}"/>
<svg x="${PADDING}" y="${PADDING}" width="${width - 2 * PADDING}" height="${height - 2 * PADDING}"><g id="play">${groups.join("\n")}</g></svg>
</svg>
`;
}

/** Returns the rows of an @xterm/headless terminal, each as SVG text in its styles; empty for a blank row. */
export function readRows(terminal) {
  const { active } = terminal.buffer;
  return Array.from({ length: terminal.rows }, (_, y) => {
    const line = active.getLine(active.viewportY + y);
    return line ? drawRow(runsOf(line, terminal.cols)) : "";
  });
}

function runsOf(line, columns) {
  const runs = [];
  for (let x = 0; x < columns; x++) {
    const cell = line.getCell(x);
    if (!cell || cell.getWidth() === 0) continue;
    const style = `${cell.isFgDefault() ? "" : cell.getFgColor()}/${cell.isBold() ? "b" : ""}${cell.isDim() ? "d" : ""}`;
    const text = cell.getChars() || " ";
    const last = runs.at(-1);
    if (last?.style === style) last.text += text;
    else runs.push({ x, style, text });
  }
  return runs.filter(({ text }) => text.trim() !== "");
}

function drawRow(runs) {
  return runs
    .map(({ x, style, text }) => {
      const [colour, classes] = style.split("/");
      const fill = COLOURS[colour] ? ` style="fill:${COLOURS[colour]}"` : "";
      const names = classes === "" ? "" : ` class="${[...classes].join(" ")}"`;
      const indent = text.length - text.trimStart().length;
      const at = ((x + indent) * CELL.width).toFixed(1).replace(/\.0$/, "");
      return `<text x="${at}" y="14"${names}${fill}>${escapeXml(text.trim())}</text>`;
    })
    .join("");
}

const escapeXml = (text) =>
  text.replace(/[&<>]/g, (character) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[character]);
