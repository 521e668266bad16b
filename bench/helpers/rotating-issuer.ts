/** A practice issuer at its strictest: every refresh token works once, and one that comes again ends its family. */
import { once } from "node:events";
import * as http from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * What becomes of a request. `dropped`: the connection is reset before anything was spent. The
 * others lose the answer after the token was spent: `reset` before its first byte, `half` in the
 * middle of its body, `silent` for good, a number is the status of a gateway's answer in place of it.
 */
export type Fault = "dropped" | "reset" | "half" | "silent" | 502 | 504;

/** Refresh tokens that come from one sign-in. */
export interface Family {
  readonly name: string;
  /** In the order of their issue: all are spent but the last. */
  readonly refreshTokens: string[];
  /** When the last but one was spent. */
  spentAt: number;
  /** A spent token came again. */
  revoked: boolean;
}

/** A token request that arrived whole. */
export interface Seen {
  /** Wall clock, ms. */
  at: number;
  family: string;
  refreshToken: string;
  scope: string | undefined;
  /** Address of who sent it. */
  from: string;
  outcome: "dropped" | "rotated" | "repeated" | "revoked" | "refused";
}

/** An access token that was made, whether or not its answer arrived. */
export interface Access {
  family: Family;
  /** The refresh token that came with it. */
  refreshToken: string;
  /** Wall clock, ms. */
  madeAt: number;
  /** Wall clock, ms. */
  expiresAt: number;
}

export interface IssuerOptions {
  /** Where it listens; loopback unless given. */
  address?: string;
  /** Of access tokens, ms; whole seconds. */
  lifetime?: number;
  /** A spent token is forgiven for so long (ms): its answer is repeated. */
  grace?: number;
  /** Awaited by each request that arrived whole, before its token is spent. */
  arrived?: (from: string) => Promise<void>;
  /** How long (ms) a request waits before its token is spent, and its answer after that. */
  delays?: () => [number, number];
}

export class RotatingIssuer {
  readonly seen: Seen[] = [];
  readonly access = new Map<string, Access>();
  /** One a request, the oldest first. */
  readonly faults: (Fault | undefined)[] = [];
  readonly #options: Required<IssuerOptions>;
  readonly #families = new Map<string, Family>();
  readonly #sockets = new Set<Socket>();
  readonly #server: http.Server;
  #busy = 0;

  static async start(options: IssuerOptions = {}): Promise<RotatingIssuer> {
    const issuer = new RotatingIssuer(options);
    issuer.#server.listen(0, issuer.#options.address);
    await once(issuer.#server, "listening");
    return issuer;
  }

  private constructor(options: IssuerOptions) {
    const address = "127.0.0.1";
    const defaults = { address, lifetime: 2_000, grace: 0, arrived: async () => {} };
    this.#options = { ...defaults, delays: () => [0, 0], ...options };
    this.#server = http.createServer((request, response) => {
      this.#busy++;
      this.#serve(request, response)
        .catch(() => response.destroy())
        .finally(() => {
          this.#busy--;
        });
    });
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {}).once("close", () => this.#sockets.delete(socket));
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://${this.#options.address}:${this.port}/token`;
  }

  /** What `credentials/add` takes, with the first refresh token of `family`. */
  credential(family: Family) {
    return {
      grant: "refresh_token",
      settings: { token_url: this.url, client_id: "practice", client_auth: "none" },
      secrets: { refresh_token: family.refreshTokens.at(-1)! },
    };
  }

  /** Somebody signs in: a new family with its first refresh token. */
  signIn(name: string): Family {
    const family: Family = { name, refreshTokens: [], spentAt: 0, revoked: false };
    this.#families.set(name, family);
    this.#next(family);
    return family;
  }

  /** Resolves when nobody is connected any more and every request has come to its end. */
  async settled(): Promise<void> {
    while (this.#busy > 0 || this.#sockets.size > 0) await sleep(1);
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  async #serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const form = new URLSearchParams(await wholeBody(request));
    const from = request.socket.remoteAddress ?? "";
    await this.#options.arrived(from);
    const fault = this.faults.shift();
    const [before, after] = this.#options.delays();
    if (before > 0) await sleep(before);
    const refreshToken = form.get("refresh_token") ?? "";
    const scope = form.get("scope") ?? undefined;
    const family = this.#familyOf(refreshToken);
    const outcome = fault === "dropped" ? fault : this.#spend(refreshToken, family);
    const known = { at: Date.now(), family: family?.name ?? "" };
    this.seen.push({ ...known, refreshToken, scope, from, outcome });
    // Made now, not when the answer leaves: its life is short.
    const [status, answer] = this.#answer(outcome, family, scope);
    if (after > 0) await sleep(after);
    send(response, status, JSON.stringify(answer), fault);
  }

  #familyOf(refreshToken: string): Family | undefined {
    return this.#families.get(refreshToken.replace(/^refresh-(.*)-\d+$/, "$1"));
  }

  #spend(refreshToken: string, family: Family | undefined): Seen["outcome"] {
    const age = family ? family.refreshTokens.toReversed().indexOf(refreshToken) : -1;
    if (!family || family.revoked || age < 0) return "refused";
    if (age === 0) {
      family.spentAt = Date.now();
      this.#next(family);
      return "rotated";
    }
    if (age === 1 && Date.now() - family.spentAt < this.#options.grace) return "repeated";
    family.revoked = true;
    return "revoked";
  }

  #next(family: Family): void {
    family.refreshTokens.push(`refresh-${family.name}-${family.refreshTokens.length}`);
  }

  #answer(
    outcome: Seen["outcome"],
    family: Family | undefined,
    scope: string | undefined,
  ): [number, object] {
    if (!family || (outcome !== "rotated" && outcome !== "repeated")) {
      return [400, { error: "invalid_grant" }];
    }
    const { lifetime } = this.#options;
    const refreshToken = family.refreshTokens.at(-1)!;
    // A repeated answer, too, has an access token with its whole life before it.
    const accessToken = `access-${family.name}-${this.access.size}`;
    const madeAt = Date.now();
    this.access.set(accessToken, { family, refreshToken, madeAt, expiresAt: madeAt + lifetime });
    const answer = {
      access_token: accessToken,
      refresh_token: refreshToken,
      token_type: "Bearer",
      expires_in: lifetime / 1_000,
      ...(scope === undefined ? {} : { scope }),
    };
    return [200, answer];
  }
}

/** Rejects if the client leaves before its end: nothing is spent then. */
async function wholeBody(request: http.IncomingMessage): Promise<string> {
  let body = "";
  for await (const chunk of request.setEncoding("utf8")) body += chunk;
  return body;
}

function send(
  response: http.ServerResponse,
  status: number,
  body: string,
  fault: Fault | undefined,
): void {
  if (fault === "silent") return;
  if (fault === "dropped" || fault === "reset") {
    response.socket?.resetAndDestroy();
  } else if (typeof fault === "number") {
    response.writeHead(fault, { "content-type": "text/html" }).end("<html>bad gateway</html>");
  } else {
    const length = Buffer.byteLength(body);
    response.writeHead(status, { "content-type": "application/json", "content-length": length });
    if (fault === undefined) response.end(body);
    else response.write(body.slice(0, length / 2), () => response.socket?.destroy());
  }
}
