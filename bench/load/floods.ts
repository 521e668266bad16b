/**
 * Clients that send what costs the most to read or to answer, one connection each, over and over:
 * the next comes when the one before is answered or has had its connection closed.
 */
import * as net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Around, Kind } from "./kinds.ts";

const MOST = 8 * 1024 * 1024 - 1024;

const request = (id: number | string, method: string, params: object) =>
  `${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`;

const filled = (start: string, part: string, end: string) =>
  `${start}${part.repeat(Math.floor((MOST - start.length - end.length) / part.length))}${end}\n`;

const headerNames = () => {
  const names = Array.from({ length: 600_000 }, (_, i) => `"h${i}":""`).join(",");
  const about = '"credential":"bench","url":"https://api.example/"';
  return `{"jsonrpc":"2.0","id":1,"method":"authorizedRequest","params":{${about},"headers":{${names}}}}\n`;
};

/** One row a kind: what is sent at once, and how many answers it gets if the connection stays. */
const FLOODS: Readonly<Record<string, () => { text: string; answers: number }>> = {
  "empty-arrays": () => ({ text: filled("[", "[],", "1]"), answers: 1 }),
  nested: () => ({ text: filled("", "[", ""), answers: 1 }),
  "header-names": () => ({ text: headerNames(), answers: 1 }),
  "one-string": () => ({
    text: request(1, "getToken", { credential: "x".repeat(MOST - 100) }),
    answers: 1,
  }),
  "long-body": () => ({
    text: request(1, "authorizedRequest", {
      credential: "bench",
      url: "no",
      body: "x".repeat(6e6),
    }),
    answers: 1,
  }),
  invalid: () => ({ text: '{"jsonrpc":"2.0","method":1}\n'.repeat(20_000), answers: 20_000 }),
  unparsable: () => ({ text: "1\n".repeat(100_000), answers: 100_000 }),
  batches: () => {
    const one = request(1, "getToken", { credential: "bench" }).trim();
    return { text: `[${Array(100).fill(one).join(",")}]\n`.repeat(200), answers: 200 };
  },
  "unknown-methods": () => ({
    text: Array.from({ length: 1000 }, (_, id) => request(id, `no/${id}`, {})).join(""),
    answers: 1000,
  }),
  "huge-ids": () => ({
    text: request("i".repeat(1_000_000), "getToken", { credential: "bench" }).repeat(8),
    answers: 8,
  }),
  uploads: () => ({
    text: request(1, "vault/upload", { data: "A".repeat(8_000_000) }),
    answers: 1,
  }),
  lists: () => ({
    text: Array.from({ length: 20 }, (_, id) => request(id, "credentials/list", {})).join(""),
    answers: 20,
  }),
  "unknown-names": () => ({
    text: Array.from({ length: 500 }, (_, id) =>
      request(id, "getToken", { credential: `nobody-${id}` }),
    ).join(""),
    answers: 500,
  }),
  statuses: () => ({
    text: Array.from({ length: 200 }, (_, id) => request(id, "status", {})).join(""),
    answers: 200,
  }),
};

/** Sends it once and waits for so many lines, or for the end of the connection. */
function sendOnce(around: Around, text: Buffer, answers: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = net.connect(around.socket);
    let left = answers;
    const end = (what: string) => {
      around.tally[what] = (around.tally[what] ?? 0) + 1;
      socket.destroy();
      resolve();
    };
    socket.on("error", () => {});
    socket.once("close", () => end("closed"));
    socket.on("data", (chunk: Buffer) => {
      for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) left--;
      if (left > 0) return;
      socket.removeAllListeners("close");
      end("answered");
    });
    socket.write(text);
  });
}

function floodOf(make: () => { text: string; answers: number }): Kind {
  return async (around) => {
    const { text, answers } = make();
    const bytes = Buffer.from(text);
    const loops = Array.from({ length: around.count }, async () => {
      while (!around.over) await sendOnce(around, bytes, answers);
    });
    await sleep(200);
    return async () => {
      around.over = true;
      await Promise.all(loops);
    };
  };
}

export const floods: Readonly<Record<string, Kind>> = Object.fromEntries(
  Object.entries(FLOODS).map(([name, make]) => [name, floodOf(make)]),
);
