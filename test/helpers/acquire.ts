import type { ExecutionContext } from "ava";
import type { AnswerCondition } from "../../src/grants/answer-condition.ts";
import type { Dpop } from "../../src/grants/dpop.ts";
import type { Acquired } from "../../src/grants/grant.ts";
import { type GrantName, grantNamed } from "../../src/grants/index.ts";
import type { LifetimeSetting } from "../../src/grants/lifetime-setting.ts";
import { createHttp } from "../../src/http/http.ts";
import { createIssuerSend } from "../../src/http/issuer.ts";
import { IssuerClocks } from "../../src/http/issuer-clock.ts";

/** One try of one grant; settings as they stand in a credential file. */
export interface Wanted {
  settings: Record<string, unknown>;
  secrets?: Record<string, string>;
  fields?: Record<string, string>;
  held?: string[];
  scope?: string;
  audience?: string;
  rejectedOn?: AnswerCondition[];
  lifetime?: LifetimeSetting;
  now?: number;
  codeAt?: number;
  dpop?: Dpop;
}

/** Acquires a token over real HTTP, the settings read by the grant's own schema. */
export async function acquire(
  t: ExecutionContext,
  name: GrantName,
  { settings, ...wanted }: Wanted,
): Promise<Acquired> {
  const grant = grantNamed(name);
  const http = createHttp();
  const now = wanted.now ?? Date.now();
  const clocks = new IssuerClocks({ now: () => ({ wall: now, boot: 0 }) });
  t.teardown(() => http.close());
  return await grant.acquire({
    credential: "demo",
    settings: grant.schema.parse(settings),
    fields: {},
    secrets: {},
    held: [],
    rejectedOn: [],
    now,
    send: createIssuerSend({
      ...{ http, credential: "demo", allowInsecureHttp: false, clocks },
      hidden: [...Object.values(wanted.secrets ?? {}), ...(wanted.held ?? [])],
    }),
    ...wanted,
  });
}

/** An unsigned JWT with these claims. */
export function jwt(claims: Record<string, unknown>): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "none", typ: "JWT" })}.${part(claims)}.c2lnbmF0dXJl`;
}
