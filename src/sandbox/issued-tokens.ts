import { createHmac, randomBytes } from "node:crypto";

/** Access tokens that one practice API has issued. They are compared as a whole, not decoded. */
export interface IssuedTokens {
  /** Issues an opaque token; `lifetime` is seconds. */
  opaque(prefix: string, lifetime: number): string;
  /** Issues a JWT, signed with HS256 under a key made at the start; `exp` is added to the claims. */
  jwt(claims: Record<string, unknown>, lifetime: number): string;
  check(token: string | undefined): "valid" | "expired" | "unknown";
  expireAll(): void;
}

/** Creates a store of tokens. `now` returns ms since the epoch. */
export function issuedTokens(now: () => number): IssuedTokens {
  const key = randomBytes(32);
  /** Expiry by token, ms since the epoch. */
  const expiry = new Map<string, number>();
  return {
    opaque(prefix, lifetime) {
      const token = prefix + randomBytes(24).toString("base64url");
      expiry.set(token, now() + lifetime * 1000);
      return token;
    },
    jwt(claims, lifetime) {
      const exp = Math.floor(now() / 1000) + lifetime;
      // `jti` makes tokens differ that are issued in the same second.
      const payload = { ...claims, jti: randomBytes(8).toString("hex"), exp };
      const content = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(payload)}`;
      const token = `${content}.${createHmac("sha256", key).update(content).digest("base64url")}`;
      expiry.set(token, exp * 1000);
      return token;
    },
    check(token) {
      const until = token === undefined ? undefined : expiry.get(token);
      if (until === undefined) return "unknown";
      return now() < until ? "valid" : "expired";
    },
    expireAll() {
      for (const token of expiry.keys()) expiry.set(token, Number.NEGATIVE_INFINITY);
    },
  };
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
