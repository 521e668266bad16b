import type { Socket } from "node:net";
import type { Readable } from "node:stream";

/** Calls `onLine` with each whole line. */
export function linesOf(input: Readable, onLine: (line: string) => void): void {
  let rest = Buffer.alloc(0);
  input.on("data", (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    for (let at = rest.indexOf("\n"); at !== -1; at = rest.indexOf("\n")) {
      const line = rest.subarray(0, at).toString();
      rest = rest.subarray(at + 1);
      onLine(line);
    }
  });
}

/** Passes on what comes on each to the other, and its end. */
export function relay(one: Socket, other: Socket): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.on("error", () => to.destroy());
    from.on("close", () => to.destroySoon());
    from.pipe(to);
  }
}
