/** Servers of one habit: they answer what its row says, and tell how the requests differed from it. */
import type { ServerResponse } from "node:http";
import { type Api, type Handler, startApi } from "./api.ts";
import { type Exchange, filledIn } from "./habit.ts";
import { differences } from "./like.ts";
import type { Scope } from "./scope.ts";

export interface HabitServer {
  handler: Handler;
  /** Returns how the requests differed from the row's; `isRetried` allows more of them than it lists. */
  complaints(isRetried: boolean): string[];
}

/** Each request takes the next exchange; the last one goes on answering. `origins`: of this row's servers. */
export function habitServer(
  role: string,
  exchanges: readonly Exchange[],
  origins: Readonly<Record<string, string>> = {},
): HabitServer {
  const wrong: string[] = [];
  let count = 0;
  return {
    handler(request, response) {
      response.on("error", () => {});
      const exchange = exchanges[Math.min(count++, exchanges.length - 1)];
      if (!exchange) return void response.writeHead(500).end("this row expects no request here");
      const { sent, answer } = filledIn(exchange, origins);
      wrong.push(...sentOtherwise(request, sent).map((what) => `${role} ${count}: ${what}`));
      return send(response, answer);
    },
    complaints(isRetried) {
      const isCounted = count === exchanges.length || (isRetried && count > exchanges.length);
      const counted = `${role}: ${count} requests came, not ${exchanges.length}`;
      return isCounted ? wrong : [counted, ...wrong];
    },
  };
}

/** Listens on loopback until the test ends, and notes its origin in `origins`. */
export async function startHabitServer(
  t: Scope,
  role: string,
  exchanges: readonly Exchange[],
  origins: Record<string, string>,
): Promise<HabitServer> {
  const server = habitServer(role, exchanges, origins);
  const { origin } = await startApi(t, server.handler);
  origins[role] = origin;
  return server;
}

function sentOtherwise(
  { method, url, headers, body: bytes }: Api["seen"][number],
  sent: Exchange["sent"],
): string[] {
  const { form, json, ...rest } = sent;
  const body = bytes.toString();
  const wrong = differences({ method, path: url, headers, body }, rest);
  if (form !== undefined) wrong.push(...differences({ form: formOf(body) }, { form }, "exact"));
  if (json !== undefined) wrong.push(...differences({ json: jsonOf(body) }, { json }, "exact"));
  return wrong;
}

/** Returns a form as a table; a name that stands there more than once has a list. */
function formOf(body: string): Record<string, string | string[]> {
  const form = new URLSearchParams(body);
  const entries = [...new Set(form.keys())].map((name) => {
    const values = form.getAll(name);
    return [name, values.length > 1 ? values : values[0]!] as const;
  });
  return Object.fromEntries(entries);
}

function jsonOf(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return `no JSON: ${body}`;
  }
}

function send(response: ServerResponse, answer: Exchange["answer"]): void {
  if ("raw" in answer) return void response.socket?.end(Buffer.from(answer.raw, "latin1"));
  const { status, headers, json, body } = answer;
  const type = json === undefined ? {} : { "content-type": "application/json" };
  response.writeHead(status, { ...type, ...headers });
  return void response.end(json === undefined ? body : JSON.stringify(json));
}
