/** The functions of templates, `{secret.password|sha256|base64}`: one row each. */
import { Buffer } from "node:buffer";
import { createHash, createHmac } from "node:crypto";
import { totp } from "./totp.ts";

/** A value on its way through functions. Bytes come of a digest; at the end they are written in hexadecimal. */
export type Data = string | Buffer;

export interface TemplateFunction {
  /** Whether a value is named after a colon. */
  argument: "none" | "optional" | "required";
  /** The name without whose value the function can't work, where templates have it. */
  needs?: string;
  apply(
    data: Data,
    argument: string | undefined,
    values: Readonly<Record<string, string | undefined>>,
  ): Data;
}

const functions = {
  base64: { argument: "none", apply: (data) => bytesOf(data).toString("base64") },
  hex: { argument: "none", apply: (data) => bytesOf(data).toString("hex") },
  sha256: { argument: "none", apply: (data) => createHash("sha256").update(data).digest() },
  sha1: { argument: "none", apply: (data) => createHash("sha1").update(data).digest() },
  md5: { argument: "none", apply: (data) => createHash("md5").update(data).digest() },
  hmac_sha256: {
    argument: "required",
    apply: (data, key = "") => createHmac("sha256", key).update(data).digest(),
  },
  /** Writes a user and a password as HTTP Basic does (RFC 7617). */
  basic: {
    argument: "optional",
    apply: (data, password = "") =>
      `Basic ${Buffer.concat([bytesOf(data), Buffer.from(`:${password}`)]).toString("base64")}`,
  },
  url: { argument: "none", apply: (data) => percentEncode(Buffer.from(textOf(data)).toString()) },
  /** Writes a JSON string with its quotes. */
  json: { argument: "none", apply: (data) => JSON.stringify(textOf(data)) },
  totp: {
    argument: "none",
    needs: "now_ms",
    apply: (data, _, { now_ms }) => totp(textOf(data), Number(now_ms)),
  },
} satisfies Record<string, TemplateFunction>;

export const functionNames: readonly string[] = Object.keys(functions);

/** Returns a row of the table; undefined for a name that has none. */
export function templateFunction(name: string): TemplateFunction | undefined {
  return Object.hasOwn(functions, name) ? functions[name as keyof typeof functions] : undefined;
}

/** Encodes for a URL's path and query (RFC 3986 section 2). Throws URIError for text that is not valid Unicode. */
export function percentEncode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

const bytesOf = (data: Data) => (typeof data === "string" ? Buffer.from(data) : data);
/** Returns text; a digest's bytes in hexadecimal. */
export const textOf = (data: Data) => (typeof data === "string" ? data : data.toString("hex"));
