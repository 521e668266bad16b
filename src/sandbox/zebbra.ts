import { randomBytes } from "node:crypto";
import { issuedTokens } from "./issued-tokens.ts";
import {
  bearer,
  form,
  json,
  jsonMembers,
  type PracticeApi,
  type PracticeOptions,
  type PracticeRequest,
  type Reply,
  startPracticeApi,
} from "./practice-api.ts";
import { randomBase32, totpVerifier } from "./totp.ts";

export interface ZebbraOptions extends PracticeOptions {
  /** Prefix of `/token`, `/register` and others: "" as documented, "/auth" on current servers. */
  prefix?: "" | "/auth";
  /** Requires a one-time code for a token; each code works once. */
  twoFactor?: boolean;
}

interface Account {
  username: string;
  first_name: string;
  last_name: string;
  workspace: string;
  password: string;
  /** Returns whether the code is right and was not used before. */
  checkOtp?: (code: string) => boolean;
}

/** Lifetime in seconds. */
const LIFETIME = 1800;
const REGISTRATION = ["username", "first_name", "last_name", "new_workspace_name", "password"];
const CHALLENGE = { "www-authenticate": "Bearer" };

/** Imitates Zebbra (FastAPI, self-hosted). Without `expires_in`, only the JWT's `exp` tells the lifetime. */
export function startZebbra(options: ZebbraOptions = {}): Promise<PracticeApi> {
  const { tokenLifetime = LIFETIME, now = Date.now, prefix = "", twoFactor = false } = options;
  const tokens = issuedTokens(now);
  const otpSecret = randomBase32();
  const user: Account = {
    username: "practice.user@example.com",
    first_name: "Practice",
    last_name: "User",
    workspace: "Practice Inc.",
    password: `practice pass+word&=%${randomBytes(12).toString("hex")}`,
    ...(twoFactor && { checkOtp: totpVerifier(otpSecret, now) }),
  };
  const accounts = new Map([[user.username, user]]);
  /** User name by token; the real server reads it from the token. */
  const owners = new Map<string, string>();

  const signIn = (request: PracticeRequest): Reply => {
    const fields = credentials(request);
    if (!(fields instanceof Map)) return fields;
    const account = accounts.get(fields.get("username") ?? "");
    if (!account || account.password !== fields.get("password")) {
      return json(401, { detail: "Incorrect username or password" }, CHALLENGE);
    }
    if (account.checkOtp && !account.checkOtp(fields.get("otp") ?? "")) {
      return json(401, { detail: "OTP of Two-Factor Authentication is invalid" });
    }
    const access_token = tokens.jwt({ sub: account.username }, tokenLifetime);
    owners.set(access_token, account.username);
    return json(200, { access_token, token_type: "bearer" });
  };
  return startPracticeApi({
    name: "zebbra",
    now,
    tokens,
    routes: [
      { side: "token", method: "POST", path: new RegExp(`^${prefix}/token$`), answer: signIn },
      {
        side: "api",
        method: "GET",
        path: new RegExp(`^${prefix}/token/expired$`),
        answer(request) {
          const state = tokens.check(bearer(request));
          return state === "unknown" ? unauthorized() : json(200, { expired: state === "expired" });
        },
      },
      {
        side: "api",
        method: "POST",
        path: new RegExp(`^${prefix}/register$`),
        answer: (request) => register(request, accounts),
      },
      {
        side: "api",
        method: "GET",
        // At the root, whatever the prefix of the others is.
        path: /^\/user$/,
        answer(request) {
          const token = bearer(request);
          const account = accounts.get(owners.get(token ?? "") ?? "");
          return account && tokens.check(token) === "valid"
            ? json(200, view(account))
            : unauthorized();
        },
      },
    ],
    credential: (url) => ({
      preset: "zebbra",
      settings: {
        username: user.username,
        base_url: url,
        ...(prefix && { token_path: `${prefix}/token` }),
      },
      secrets: { password: user.password, ...(twoFactor && { otp_secret: otpSecret }) },
    }),
    example: (url) => ({ method: "GET", url: `${url}/user` }),
  });
}

/** Parses the form of a sign-in, or returns FastAPI's error. No grant_type and no client are documented. */
function credentials(request: PracticeRequest): Map<string, string> | Reply {
  const fields = form(request) ?? new Map<string, string>();
  const missing = ["username", "password"].filter((name) => !fields.get(name));
  const extra = [...fields.keys()].filter(
    (name) => !["username", "password", "otp"].includes(name),
  );
  if (missing.length === 0 && extra.length === 0) return fields;
  return unprocessable([
    ...missing.map((name) => complaint("missing", name, "Field required")),
    ...extra.map((name) => complaint("extra_forbidden", name, "Extra inputs are not permitted")),
  ]);
}

function register(request: PracticeRequest, accounts: Map<string, Account>): Reply {
  const body = jsonMembers(request);
  const wrong = REGISTRATION.filter((name) => typeof body[name] !== "string");
  if (wrong.length > 0) {
    return unprocessable(wrong.map((name) => complaint("missing", name, "Field required")));
  }
  const text = body as Record<string, string>;
  if (accounts.has(text.username!)) return json(409, { detail: "Username already exists" });
  if ([...accounts.values()].some(({ workspace }) => workspace === text.new_workspace_name)) {
    return json(409, { detail: "Workspace name already exists" });
  }
  const account: Account = {
    username: text.username!,
    first_name: text.first_name!,
    last_name: text.last_name!,
    workspace: text.new_workspace_name!,
    password: text.password!,
  };
  accounts.set(account.username, account);
  return json(200, view(account));
}

function view({ username, first_name, last_name }: Account): Record<string, unknown> {
  return { username, first_name, last_name, disabled: false };
}

function complaint(type: string, name: string, msg: string): Record<string, unknown> {
  return { type, loc: ["body", name], msg };
}

function unprocessable(detail: Record<string, unknown>[]): Reply {
  return json(422, { detail });
}

function unauthorized(): Reply {
  return json(401, { detail: "Could not validate credentials" }, CHALLENGE);
}
