/** Checks params as they come in: protocol.ts says what they mean. */

import { isId, isTooLong, MAX_ID_BYTES } from "../base/json-text.ts";
import * as z from "../base/zod.ts";
import type { Method, ParamsOf } from "../protocol.ts";

const text = z.string();
const count = z.int().nonnegative();
/** Milliseconds; more than a day is a mistake. */
const timeoutMs = z.int().min(1).max(86_400_000);
/** As long as a path can be on Linux; messages repeat it. */
const filePath = z.string().max(4_096);
/** The last number means "none" to the kernel. */
const accountId = z.int().min(0).max(0xffff_fffe);
const credential = z.object({ credential: text });
/** A number that JavaScript would change is a JsonNumber, which is only ever written back. */
const streamToken = z.custom<string | number>(
  (value) => isId(value) && !isTooLong(value),
  `expected a string or a number of at most ${MAX_ID_BYTES} bytes`,
);

const authorizedRequest = z.object({
  credential: text,
  url: text,
  method: text.optional(),
  headers: z.record(text, text).optional(),
  body: text.optional(),
  bodyBase64: text.optional(),
  timeoutMs: timeoutMs.optional(),
  maxResponseBytes: count.optional(),
  stream: z.boolean().optional(),
  streamToken: streamToken.optional(),
  interactive: z.boolean().optional(),
});

/** Every member that a method's params can have. */
type Shape<M extends Method> = { [Name in keyof ParamsOf<M>]-?: z.ZodType };

/** The shape of each method's params. Unknown members are dropped. */
export const params = {
  initialize: z.object({ clientName: text.optional(), clientVersion: text.optional() }),
  getToken: z.object({
    credential: text,
    minValidity: z.number().nonnegative().optional(),
    scope: text.optional(),
    audience: text.optional(),
    forceRefresh: z.boolean().optional(),
    rejectedToken: text.optional(),
    timeoutMs: timeoutMs.optional(),
    method: text.optional(),
    url: text.optional(),
    interactive: z.boolean().optional(),
  }),
  authorizedRequest,
  "request/open": authorizedRequest.extend({ bodyBytes: count.optional() }),
  "request/chunk": z.object({
    upload: text,
    seq: count,
    data: text,
    last: z.boolean().optional(),
  }),
  "credentials/add": z.object({
    name: text,
    preset: text.optional(),
    grant: text.optional(),
    settings: z.record(text, z.json()).optional(),
    secrets: z.record(text, text).optional(),
    replace: z.boolean().optional(),
    register: z.boolean().optional(),
  }),
  "credentials/discover": z.object({
    name: text,
    resource: text,
    settings: z.record(text, z.json()).optional(),
  }),
  "credentials/set": z.object({
    credential: text,
    settings: z.record(text, z.json()).optional(),
    secrets: z.record(text, text).optional(),
    unset: z.array(text).optional(),
    force: z.boolean().optional(),
    discard: z.boolean().optional(),
  }),
  "credentials/trust": z.object({ credential: text, binding: text.optional() }),
  "credentials/refresh": credential,
  "credentials/show": credential,
  "credentials/introspect": credential,
  "credentials/test": credential,
  "credentials/remove": credential,
  "credentials/logout": credential,
  "credentials/list": z.object({}),
  status: z.object({}),
  health: z.object({}),
  reload: z.object({}),
  events: z.object({
    credential: text.optional(),
    since: z.number().optional(),
    limit: count.optional(),
  }),
  "vault/export": z.object({ passphrase: text }),
  "vault/upload": z.object({ data: text }),
  "vault/import": z.object({
    passphrase: text,
    replace: z.boolean().optional(),
    only: z.array(text).optional(),
  }),
  "vault/rekey": z.object({
    to: z.enum(["keychain", "passphrase", "systemd-credential", "file"]),
    passphrase: text.optional(),
  }),
  "vault/move": z.object({ to: text }),
  "fleet/invite": z.object({ groups: z.array(text).min(1).optional() }),
  "fleet/key": z.object({
    name: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,58}$/),
    groups: z.array(text).min(1).optional(),
  }),
  "fleet/join": z.object({ url: text, invite: text }),
  "fleet/status": z.object({}),
  "fleet/drain": z.object({}),
  "fleet/remove": z.object({ host: text, force: z.boolean().optional() }),
  subscribe: z.object({
    credential: text.optional(),
    events: z.boolean().optional(),
    approvals: z.boolean().optional(),
  }),
  unsubscribe: z.object({ credential: text.optional() }),
  "login/start": z.object({
    credential: text,
    how: z.enum(["browser", "device", "paste"]).optional(),
    open: z.boolean().optional(),
    scope: text.optional(),
    acrValues: text.optional(),
    maxAge: count.optional(),
  }),
  "login/finish": z.object({ login: text, redirected: text.optional() }),
  "login/cancel": z.object({ login: text }),
  "approvals/pending": z.object({}),
  "approvals/answer": z.object({
    id: z.int(),
    answer: z.enum(["once", "process", "hour", "session", "always", "no"]),
    passphrase: text.optional(),
  }),
  "tokenFiles/add": z.object({
    credential: text,
    path: filePath,
    format: z.enum(["token", "header", "json"]).optional(),
    mode: text.optional(),
    uid: accountId.optional(),
    gid: accountId.optional(),
    scope: text.optional(),
    audience: text.optional(),
  }),
  "tokenFiles/list": z.object({}),
  "tokenFiles/remove": z.object({ path: filePath }),
  lock: z.object({
    afterMs: z.int().min(1_000).max(2_592_000_000).optional(),
  }),
  unlock: z.object({ passphrase: text.optional() }),
  "audit/head": z.object({}),
  shutdown: z.object({ daemon: z.boolean().optional() }),
} as const satisfies { [M in Method]: z.ZodType<ParamsOf<M>> & { shape: Shape<M> } };
