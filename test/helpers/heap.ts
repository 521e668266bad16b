import { getHeapSnapshot } from "node:v8";

/** How often each of these texts, given backwards so that the search does not find itself, is on this process's heap. */
export async function onHeap(backwards: readonly string[]): Promise<number[]> {
  const needles = backwards.map((text) => Buffer.from([...text].reverse().join("")));
  const counts = needles.map(() => 0);
  let rest = Buffer.alloc(0);
  for await (const chunk of getHeapSnapshot()) {
    const bytes = Buffer.concat([rest, Buffer.from(chunk)]);
    const most = Math.max(...needles.map(({ length }) => length)) - 1;
    needles.forEach((needle, index) => {
      let at = bytes.indexOf(needle);
      // What ends within the rest was counted with the chunk before.
      while (at >= 0) {
        if (at + needle.length > rest.length) counts[index]!++;
        at = bytes.indexOf(needle, at + 1);
      }
    });
    rest = bytes.subarray(Math.max(0, bytes.length - most));
  }
  return counts;
}
