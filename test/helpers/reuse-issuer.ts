import type { ServerResponse } from "node:http";
import { type Issuer, startIssuer } from "./issuer.ts";
import type { Scope } from "./scope.ts";

/** A request whose answer waits. */
interface Held {
  token: string;
  response: ServerResponse;
  json: object;
  status: number;
}

/**
 * An issuer that spends a refresh token as soon as it arrives, ends the session when a spent one comes
 * again, and holds its answers back until the test lets them go.
 */
export interface ReuseIssuer {
  issuer: Issuer;
  /** Refresh tokens as they arrived. */
  readonly arrived: string[];
  /** Tokens that came a second time while the first request could still be answered. */
  readonly sentTwice: string[];
  readonly isRevoked: boolean;
  /** A spent token is forgiven: it gets the successor once more. */
  grace: boolean;
  /** False: answers leave at once. */
  holding: boolean;
  /** Requests that wait for their answer on an open connection. */
  readonly waiting: number;
  /** Lets the oldest answer go. */
  answer(): void;
  /** Breaks the oldest request's connection. */
  reset(): void;
}

export async function startReuseIssuer(t: Scope): Promise<ReuseIssuer> {
  const held: Held[] = [];
  const arrived: string[] = [];
  const sentTwice: string[] = [];
  let count = 0;
  let isRevoked = false;

  const spend = (token: string): Pick<Held, "json" | "status"> => {
    const isCurrent = token === `refresh-${count}`;
    const isForgiven = reuse.grace && token === `refresh-${count - 1}`;
    if (!isCurrent && !isForgiven) isRevoked = true;
    if (isRevoked) return { status: 400, json: { error: "invalid_grant" } };
    if (isCurrent) count++;
    const token_type = "Bearer";
    const tokens = { access_token: `token-${count}`, refresh_token: `refresh-${count}` };
    return { status: 200, json: { ...tokens, token_type, expires_in: 3_600 } };
  };
  const send = ({ response, status, json }: Held) => {
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(json));
  };
  const open = () => held.filter(({ response }) => !response.destroyed);
  const oldest = () => {
    const [first] = open();
    if (!first) throw new Error("no request waits for its answer");
    held.splice(held.indexOf(first), 1);
    return first;
  };
  const issuer = await startIssuer(t, ({ form }, response) => {
    const token = form.get("refresh_token") ?? "";
    if (open().some((one) => one.token === token)) sentTwice.push(token);
    arrived.push(token);
    const one = { token, response, ...spend(token) };
    if (reuse.holding) held.push(one);
    else send(one);
    return undefined;
  });
  const reuse: ReuseIssuer = {
    issuer,
    arrived,
    sentTwice,
    get isRevoked() {
      return isRevoked;
    },
    grace: false,
    holding: true,
    get waiting() {
      return open().length;
    },
    answer: () => send(oldest()),
    reset: () => void oldest().response.socket?.resetAndDestroy(),
  };
  return reuse;
}
