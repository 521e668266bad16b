/** Who lives in the simulation: kinds of credentials, from 20 seconds to 99 years. */
import { DAY, HOUR, MINUTE } from "./faults.ts";

/** How an issuer tells the lifetime. */
type Telling = "number" | "string" | "jwt with Date" | "jwt with iat" | "both" | "ttl" | "no";

export interface Kind {
  name: string;
  /** Of all credentials; at least one. */
  share: number;
  grant: "client_credentials" | "refresh_token" | "password" | "exchange" | "static" | "labelf";
  /** Seconds. */
  lifetime: number;
  telling: Telling;
  /** Programs ask this often on average, ms, */
  every: number;
  /** and then so many times, some seconds apart. */
  burst?: number;
  warm?: "always";
  /** The issuer's own wish, seconds. */
  refreshIn?: number;
  /** Gives the same token until it has run out. */
  sticky?: boolean;
  /** Callers ask for one of these now and then. */
  scopes?: readonly string[];
  /** Refresh tokens rotate; within `grace` (ms) after that the one before is taken once more. */
  rotates?: { grace: number; lifetime?: number };
}

const LABELF = 3_122_063_999;

const KINDS: readonly Kind[] = [
  {
    name: "20 seconds",
    share: 0.0002,
    grant: "client_credentials",
    lifetime: 20,
    telling: "number",
    every: 4 * DAY,
    burst: 400,
  },
  {
    name: "a minute",
    share: 0.0003,
    grant: "client_credentials",
    lifetime: 60,
    telling: "string",
    every: 3 * DAY,
    burst: 100,
  },
  {
    name: "a minute, JWT alone",
    share: 0.0003,
    grant: "password",
    lifetime: 60,
    telling: "jwt with Date",
    every: 3 * DAY,
    burst: 100,
  },
  {
    name: "five minutes, rotating, session of half an hour",
    share: 0.0005,
    grant: "refresh_token",
    lifetime: 300,
    telling: "number",
    every: 2 * HOUR,
    warm: "always",
    rotates: { grace: 30_000, lifetime: 1800 },
  },
  {
    name: "half an hour, JWT alone",
    share: 0.003,
    grant: "password",
    lifetime: 1800,
    telling: "jwt with Date",
    every: 8 * HOUR,
    burst: 5,
  },
  {
    name: "45 minutes, JWT as text",
    share: 0.002,
    grant: "exchange",
    lifetime: 2700,
    telling: "jwt with iat",
    every: 12 * HOUR,
    burst: 5,
  },
  {
    name: "an hour",
    share: 0.01,
    grant: "client_credentials",
    lifetime: 3600,
    telling: "number",
    every: 12 * HOUR,
    burst: 20,
  },
  {
    name: "an hour, rotating, no grace",
    share: 0.004,
    grant: "refresh_token",
    lifetime: 3600,
    telling: "number",
    every: 10 * HOUR,
    rotates: { grace: 0 },
  },
  {
    name: "an hour, rotating, grace",
    share: 0.004,
    grant: "refresh_token",
    lifetime: 3600,
    telling: "number",
    every: 10 * HOUR,
    rotates: { grace: 60_000 },
  },
  {
    name: "an hour, scopes",
    share: 0.002,
    grant: "client_credentials",
    lifetime: 3600,
    telling: "both",
    every: 6 * HOUR,
    burst: 4,
    scopes: ["read", "write", "admin"],
  },
  {
    name: "an hour, rotating, scopes",
    share: 0.001,
    grant: "refresh_token",
    lifetime: 3600,
    telling: "number",
    every: 12 * HOUR,
    scopes: ["read", "write"],
    rotates: { grace: 60_000 },
  },
  {
    name: "two hours, refresh_in",
    share: 0.005,
    grant: "client_credentials",
    lifetime: 7200,
    refreshIn: 3600,
    telling: "number",
    every: DAY,
  },
  {
    name: "an hour, the same until it ends",
    share: 0.0002,
    grant: "client_credentials",
    lifetime: 3600,
    sticky: true,
    telling: "number",
    every: 2 * DAY,
    burst: 5,
  },
  {
    name: "unknown",
    share: 0.003,
    grant: "client_credentials",
    lifetime: 7200,
    telling: "no",
    every: DAY,
  },
  {
    name: "two hours by ttl",
    share: 0.005,
    grant: "exchange",
    lifetime: 7200,
    telling: "ttl",
    every: DAY,
  },
  {
    name: "eight hours, JWT",
    share: 0.02,
    grant: "password",
    lifetime: 28_800,
    telling: "jwt with Date",
    every: 2 * DAY,
  },
  {
    name: "a day",
    share: 0.3,
    grant: "client_credentials",
    lifetime: 86_400,
    telling: "both",
    every: DAY,
  },
  {
    name: "a day, rotating, session of ten days",
    share: 0.1,
    grant: "refresh_token",
    lifetime: 86_400,
    telling: "number",
    every: DAY,
    rotates: { grace: 10_000, lifetime: 10 * 86_400 },
  },
  {
    name: "a day, always warm",
    share: 0.04,
    grant: "client_credentials",
    lifetime: 86_400,
    telling: "string",
    every: 4 * DAY,
    warm: "always",
  },
  {
    name: "a week",
    share: 0.2,
    grant: "client_credentials",
    lifetime: 7 * 86_400,
    telling: "number",
    every: 12 * HOUR,
  },
  {
    name: "99 years",
    share: 0.2,
    grant: "labelf",
    lifetime: LABELF,
    telling: "number",
    every: 8 * HOUR,
  },
  {
    name: "for ever",
    share: 0.05,
    grant: "static",
    lifetime: Number.POSITIVE_INFINITY,
    telling: "no",
    every: 3 * DAY,
  },
  {
    name: "a month",
    share: 0.05,
    grant: "client_credentials",
    lifetime: 30 * 86_400,
    telling: "number",
    every: 30 * MINUTE,
  },
];

/** The kind of each of `count` credentials; short-lived ones first. */
export function populate(count: number): Kind[] {
  const kinds = KINDS.flatMap((kind) =>
    Array.from({ length: Math.max(1, Math.round(kind.share * count)) }, () => kind),
  );
  while (kinds.length < count) kinds.push(KINDS.at(-1)!);
  return kinds.slice(0, Math.max(count, KINDS.length));
}

/** A credential file of this kind. */
export function fileOf(kind: Kind, name: string, host: string): Record<string, unknown> {
  const token_url = `https://${host}/${name}/token`;
  const common = {
    origins: [`https://api.${host}`],
    ...(kind.warm ? { warm: kind.warm } : {}),
    ...(kind.telling === "ttl" ? { ttl: kind.lifetime } : {}),
  };
  switch (kind.grant) {
    case "labelf":
      return { ...common, preset: "labelf", client_id: name, token_url };
    case "password":
      return { ...common, grant: "password", token_url, username: name };
    case "exchange":
      return {
        ...common,
        grant: "exchange",
        secrets: ["api_token"],
        request: { url: token_url, text: "{secret.api_token}" },
        response: { token: "text" },
      };
    case "static":
      return { ...common, grant: "static" };
    default:
      return { ...common, grant: kind.grant, token_url, client_id: name };
  }
}

/** The secret that a person enters, by its field. */
export const SECRET_FIELD = {
  client_credentials: "client_secret",
  labelf: "client_secret",
  password: "password",
  exchange: "api_token",
  refresh_token: "refresh_token",
  static: "token",
} satisfies Record<Kind["grant"], string>;
