/** Finds secrets and tokens in an issuer's text, in every encoding in which one is likely to appear. */
import { Buffer } from "node:buffer";
import type { IssuerResponse } from "./grant.ts";
import { parseJson } from "./json.ts";

/** Shorter secrets are not searched for in hexadecimal and base64: they would be found in any text. */
const MIN_ENCODED_BYTES = 4;
/** Names of members and headers of a response that hold secrets. */
const TOKEN_NAME = /token|secret|assertion|passw|cookie|authorization|jwt|ticket|^(key|code)$/i;
/** Tokens that are read of one response. */
const MAX_TOKENS = 200;

/**
 * True if `text` shows one of `secrets`: plain, percent-encoded, JSON-escaped, as a numeric entity, in
 * hexadecimal, base64 or base64url (alone or inside of something longer), in any case of letters, and
 * with white space or invisible characters in between.
 */
export function reveals(text: string, secrets: Iterable<string>): boolean {
  const views = viewsOf(text);
  for (const secret of secrets) {
    if (spellings(secret).some(({ view, form }) => views[view].includes(form))) return true;
  }
  return false;
}

/** Returns the tokens anywhere in a response: an error's text must not repeat them. */
export function tokensIn({ text, headers }: Pick<IssuerResponse, "text" | "headers">): string[] {
  const found: string[] = [];
  const note = (value: unknown) => {
    if (typeof value === "string" && value !== "" && found.length < MAX_TOKENS) found.push(value);
  };
  const look = (value: unknown, named: boolean, depth: number): void => {
    if (named) note(value);
    if (typeof value !== "object" || value === null || depth === 0) return;
    for (const [name, member] of Object.entries(value)) {
      look(member, TOKEN_NAME.test(name) || (named && Array.isArray(value)), depth - 1);
    }
  };
  for (const [name, value] of Object.entries(headers)) if (TOKEN_NAME.test(name)) note(value);
  look(parsed(text), false, 8);
  return found;
}

function parsed(text: string): unknown {
  return parseJson(text) ?? Object.fromEntries(new URLSearchParams(text.trim()));
}

/** Forms of a text that are searched: in lower case, without characters that may be put between. */
interface Views {
  plain: string;
  base64: string;
  hex: string;
}

/** An encoded secret, and the view in which it is searched for. */
interface Spelling {
  view: keyof Views;
  form: string;
}

function viewsOf(text: string): Views {
  const decoded = decodedOf(text);
  return {
    plain: plainView(decoded),
    // Percent-encoding leaves the letters of base64 as they are.
    base64: base64View(decoded),
    hex: hexView(decoded),
  };
}

/** Returns how an entered secret appears in each of the views. */
function spellings(secret: string): Spelling[] {
  const bytes = Buffer.from(secret);
  const plain = [secret, bytes.toString("latin1"), decodedOf(secret)].map(plainView);
  const forms: Spelling[] = plain.map((form) => ({ view: "plain", form }));
  if (bytes.length >= MIN_ENCODED_BYTES) {
    forms.push({ view: "hex", form: bytes.toString("hex") });
    for (const form of insideBase64(bytes)) forms.push({ view: "base64", form: base64View(form) });
  } else forms.push({ view: "plain", form: plainView(bytes.toString("base64")) });
  return forms.filter(({ form }) => form !== "");
}

/** Returns the base64 letters of bytes inside longer data, for each of the three offsets at which they may begin. */
function insideBase64(bytes: Buffer): string[] {
  return [0, 1, 2].map((offset) => {
    const encoded = Buffer.concat([Buffer.alloc(offset), bytes]).toString("base64");
    return encoded.slice(
      Math.ceil((offset * 8) / 6),
      Math.floor(((offset + bytes.length) * 8) / 6),
    );
  });
}

const ESCAPES =
  /%([0-9a-f]{2})|\\u00([0-9a-f]{2})|\\x([0-9a-f]{2})|&#x0*([0-9a-f]{2});|&#0*(\d{2,3});|\\(["\\/])/gi;

/** Replaces escapes by the characters (Latin-1) that they stand for, up to three times over. */
function decodedOf(text: string): string {
  let decoded = text;
  for (let round = 0; round < 3; round++) {
    const before = decoded;
    decoded = decoded.replace(ESCAPES, (_, percent, unicode, byte, entity, decimal, plain) => {
      if (plain !== undefined) return plain;
      const hex: string | undefined = percent ?? unicode ?? byte ?? entity;
      return String.fromCharCode(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16));
    });
    if (decoded === before) break;
  }
  return decoded;
}

/** Removes white space, `+`, which is a space in forms, and invisible characters. */
const plainView = (text: string) => text.replace(/[\s\p{C}+]/gu, "").toLowerCase();

/** Converts base64url to base64, without `+`, which may have become a space. */
const base64View = (text: string) => plainView(text).replace(/[-=]/g, "").replaceAll("_", "/");

/** Removes separators between bytes: `61:62`, `0x61 0x62`. */
const hexView = (text: string) =>
  plainView(text)
    .replaceAll("0x", "")
    .replace(/[^0-9a-z]/g, "");
