/** Checks params as they come in: protocol.ts says what they mean. */

import { isId, isTooLong, MAX_ID_BYTES } from "../base/json-text.ts";
import * as z from "../base/zod.ts";
import type { Method, ParamsOf } from "../protocol.ts";

const text = z.string();
const optionalText = z.optional(text);
const optionalFlag = z.optional(z.boolean());
const count = z.int().check(z.nonnegative());
/** Milliseconds; more than a day is a mistake. */
const timeoutMs = z.int().check(z.minimum(1), z.maximum(86_400_000));
/** As long as a path can be on Linux; messages repeat it. */
const filePath = z.string().check(z.maxLength(4_096));
/** The last number means "none" to the kernel. */
const accountId = z.int().check(z.minimum(0), z.maximum(0xffff_fffe));
const optionalTexts = z.optional(z.record(text, text));
const optionalSettings = z.optional(z.record(text, z.json()));
const optionalGroups = z.optional(z.array(text).check(z.minLength(1)));
const credential = z.object({ credential: text });
const nothing = z.object({});
/** A number that JavaScript would change is a JsonNumber, which is only ever written back. */
const streamToken = z.custom<string | number>(
  (value) => isId(value) && !isTooLong(value),
  `expected a string or a number of at most ${MAX_ID_BYTES} bytes`,
);

const authorizedRequest = z.object({
  credential: text,
  url: text,
  method: optionalText,
  headers: optionalTexts,
  body: optionalText,
  bodyBase64: optionalText,
  timeoutMs: z.optional(timeoutMs),
  maxResponseBytes: z.optional(count),
  stream: optionalFlag,
  streamToken: z.optional(streamToken),
  interactive: optionalFlag,
});

/** Every member that a method's params can have. */
type Shape<M extends Method> = { [Name in keyof ParamsOf<M>]-?: z.ZodMiniType };

/** The shape of each method's params. Unknown members are dropped. */
export const params = {
  initialize: z.object({ clientName: optionalText, clientVersion: optionalText }),
  getToken: z.object({
    credential: text,
    minValidity: z.optional(z.number().check(z.nonnegative())),
    scope: optionalText,
    audience: optionalText,
    forceRefresh: optionalFlag,
    rejectedToken: optionalText,
    timeoutMs: z.optional(timeoutMs),
    method: optionalText,
    url: optionalText,
    interactive: optionalFlag,
  }),
  authorizedRequest,
  "request/open": z.extend(authorizedRequest, { bodyBytes: z.optional(count) }),
  "request/chunk": z.object({
    upload: text,
    seq: count,
    data: text,
    last: optionalFlag,
  }),
  "credentials/add": z.object({
    name: text,
    preset: optionalText,
    grant: optionalText,
    settings: optionalSettings,
    secrets: optionalTexts,
    replace: optionalFlag,
    register: optionalFlag,
  }),
  "credentials/discover": z.object({
    name: text,
    resource: text,
    settings: optionalSettings,
  }),
  "credentials/set": z.object({
    credential: text,
    settings: optionalSettings,
    secrets: optionalTexts,
    unset: z.optional(z.array(text)),
    force: optionalFlag,
    discard: optionalFlag,
  }),
  "credentials/trust": z.object({ credential: text, binding: optionalText }),
  "credentials/refresh": credential,
  "credentials/show": credential,
  "credentials/introspect": credential,
  "credentials/test": credential,
  "credentials/remove": credential,
  "credentials/logout": credential,
  "credentials/list": nothing,
  status: nothing,
  health: nothing,
  reload: nothing,
  events: z.object({
    credential: optionalText,
    since: z.optional(z.number()),
    limit: z.optional(count),
  }),
  "vault/export": z.object({ passphrase: text }),
  "vault/upload": z.object({ data: text }),
  "vault/import": z.object({
    passphrase: text,
    replace: optionalFlag,
    only: z.optional(z.array(text)),
  }),
  "vault/rekey": z.object({
    to: z.enum(["keychain", "passphrase", "systemd-credential", "file"]),
    passphrase: optionalText,
  }),
  "vault/move": z.object({ to: text }),
  "fleet/invite": z.object({ groups: optionalGroups }),
  "fleet/key": z.object({ name: text, groups: optionalGroups }),
  "fleet/join": z.object({ url: text, invite: text }),
  "fleet/status": nothing,
  "fleet/drain": nothing,
  "fleet/remove": z.object({ host: text, force: optionalFlag }),
  subscribe: z.object({
    credential: optionalText,
    events: optionalFlag,
    approvals: optionalFlag,
  }),
  unsubscribe: z.object({ credential: optionalText }),
  "login/start": z.object({
    credential: text,
    how: z.optional(z.enum(["browser", "device", "paste"])),
    open: optionalFlag,
    scope: optionalText,
    acrValues: optionalText,
    maxAge: z.optional(count),
  }),
  "login/finish": z.object({ login: text, redirected: optionalText }),
  "login/cancel": z.object({ login: text }),
  "approvals/pending": nothing,
  "approvals/answer": z.object({
    id: z.int(),
    answer: z.enum(["once", "process", "hour", "session", "always", "no"]),
    passphrase: optionalText,
  }),
  "tokenFiles/add": z.object({
    credential: text,
    path: filePath,
    format: z.optional(z.enum(["token", "header", "json"])),
    mode: optionalText,
    uid: z.optional(accountId),
    gid: z.optional(accountId),
    scope: optionalText,
    audience: optionalText,
  }),
  "tokenFiles/list": nothing,
  "tokenFiles/remove": z.object({ path: filePath }),
  lock: z.object({
    afterMs: z.optional(z.int().check(z.minimum(1_000), z.maximum(2_592_000_000))),
  }),
  unlock: z.object({ passphrase: optionalText }),
  "audit/head": nothing,
  shutdown: z.object({ daemon: optionalFlag }),
} as const satisfies { [M in Method]: z.ZodMiniType<ParamsOf<M>> & { shape: Shape<M> } };
