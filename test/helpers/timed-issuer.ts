import type { ExecutionContext } from "ava";
import { jwt } from "./acquire.ts";
import { startApi } from "./api.ts";

/** How one client's tokens are, and how the issuer tells their end. */
export interface Told {
  /** Seconds. */
  lifetime: number;
  /** Absent: `expires_in` alone. `exp`: a JWT without `expires_in`; `iat` and `exp`: with both claims. */
  claims?: readonly ("exp" | "iat")[];
  /** Of the refresh tokens, seconds; absent: there are none. */
  session?: number;
}

/** An issuer, and an API that takes its tokens as long as they live by its own clock. */
export interface TimedIssuer {
  origin: string;
  /** What `credentials/add` takes; the client's id is its name. */
  credential(name: string): {
    name: string;
    grant: string;
    settings: Record<string, string | string[]>;
    secrets: Record<string, string>;
  };
  /** Token requests of this client. */
  asked(name: string): number;
  /** Requests at the API that came with a token that has run out, or with none. */
  readonly refused: number;
  /** What is left (ms) of a token at this moment of performance.now(); -Infinity: never made here. */
  left(accessToken: string, at?: number): number;
  /** Token answers wait for the promise from now on. */
  hold(until: Promise<unknown> | undefined): void;
}

export interface TimedIssuerOptions {
  /** By client id. */
  clients: Readonly<Record<string, Told>>;
  /** How far its clock is ahead of this machine's, ms. */
  ahead?: number;
  /** Whether answers carry `Date`. */
  date?: boolean;
}

/** Its truth runs on the monotonic clock, so that nothing that is done to wall clocks moves it. */
export async function startTimedIssuer(
  t: ExecutionContext,
  { clients, ahead = 0, date = true }: TimedIssuerOptions,
): Promise<TimedIssuer> {
  const ends = new Map<string, number>();
  const asked = new Map<string, number>();
  let refused = 0;
  let held: Promise<unknown> | undefined;
  const left = (token: string, at = performance.now()) =>
    (ends.get(token) ?? Number.NEGATIVE_INFINITY) - at;

  const make = (name: string): object => {
    const { lifetime, claims, session } = clients[name]!;
    const count = (asked.get(name) ?? 0) + 1;
    asked.set(name, count);
    const now = Math.floor((Date.now() + ahead) / 1_000);
    const times = { exp: now + lifetime, iat: now };
    const told = claims?.map((claim) => [claim, times[claim]]) ?? [];
    const token = claims
      ? jwt({ ...Object.fromEntries(told), jti: `${name}-${count}` })
      : `${name}-${count}`;
    // A JWT ends with the whole second in its `exp`.
    const end = claims ? times.exp * 1_000 - (Date.now() + ahead) : lifetime * 1_000;
    ends.set(token, performance.now() + end);
    return {
      access_token: token,
      token_type: "bearer",
      ...(claims ? {} : { expires_in: lifetime }),
      ...(session && { refresh_token: `r-${name}-${count}`, refresh_expires_in: session }),
    };
  };

  const { origin } = await startApi(t, async ({ url, headers, body }, response) => {
    response.on("error", () => {});
    response.sendDate = false;
    const answer = (status: number, json: object) => {
      if (date) response.setHeader("date", new Date(Date.now() + ahead).toUTCString());
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(json));
    };
    if (url === "/token") {
      const made = make(new URLSearchParams(body.toString()).get("client_id") ?? "");
      await held;
      answer(200, made);
    } else if (left((headers.authorization ?? "").replace("Bearer ", "")) > 0) {
      answer(200, {});
    } else {
      refused++;
      answer(401, {});
    }
  });
  return {
    origin,
    credential(name) {
      const rotates = clients[name]?.session !== undefined;
      const common = { token_url: `${origin}/token`, client_id: name, origins: [origin] };
      return rotates
        ? {
            name,
            grant: "refresh_token",
            settings: { ...common, client_auth: "none" },
            secrets: { refresh_token: "r-0" },
          }
        : {
            name,
            grant: "client_credentials",
            settings: { ...common, client_auth: "post" },
            secrets: { client_secret: "practice" },
          };
    },
    asked: (name) => asked.get(name) ?? 0,
    get refused() {
      return refused;
    },
    left,
    hold(until) {
      held = until;
    },
  };
}
