/** Repairs the head of an HTTP/1 response (status line and headers) that browsers and curl take, and undici's parser does not. */
import { HEADER_NAME } from "../base/header-names.ts";
import { UNCLEAR_LENGTH } from "./response-error.ts";

const VALUE = "[^\\0-\\x08\\n-\\x1f\\x7f]*";
const REASON = `(?: ${VALUE})?\\r\\n`;
const LENGTH = inAnyCase("content-length");
const CODING = inAnyCase("transfer-encoding");
const OTHERS = `(?:(?!${LENGTH}:|${CODING}:)[!#$%&'*+.^_\`|~\\dA-Za-z-]+:${VALUE}\\r\\n)*`;
const FRAMING = `(?:${LENGTH}:[ \\t]*\\d+|${CODING}:[ \\t]*${inAnyCase("chunked")})[ \\t]*\\r\\n`;
/** A final response's head as RFC 9112 has it, with one line at most that says where the body ends, none where there is no body. One pass, as every response is tested. */
const WELL_FORMED = new RegExp(
  `^HTTP/1\\.[01] (?:[2-9]\\d\\d(?<!204|304)${REASON}${OTHERS}(?:${FRAMING}${OTHERS})?|[2-9]\\d\\d${REASON}${OTHERS})\\r\\n$`,
);

const STATUS_LINE = /^HTTP\/(\d(?:\.\d)?)[ \t]+(\d{3})(?!\d)[ \t]*(.*)$/is;

/** Headers that decide where a response ends, or how its connection goes on: written anew by `repairHead`. */
const REWRITTEN: ReadonlySet<string> = new Set([
  "content-length",
  "transfer-encoding",
  "connection",
  "keep-alive",
]);

/** Statuses of responses without a body, whatever length they tell (RFC 9112 section 6.3). */
const BODILESS: ReadonlySet<string> = new Set(["204", "304"]);

interface Field {
  /** In lower case. */
  name: string;
  value: string;
}

/** True for the head of a final response that needs no repair. */
export function isWellFormed(head: string): boolean {
  return WELL_FORMED.test(head);
}

function inAnyCase(word: string): string {
  return word.replace(/[a-z]/g, (letter) => `[${letter.toUpperCase()}${letter}]`);
}

/** True for a head of `repairHead` with a chunked body. */
export function isChunked(repaired: string): boolean {
  return /\ntransfer-encoding: (?:[^\r]*, )?chunked\r\n/.test(repaired);
}

/** Returns the status of a head; undefined if it begins with no status line. */
export function statusOf(head: string): number | undefined {
  const status = STATUS_LINE.exec(head.slice(0, 64).split("\n")[0]!)?.[2];
  return status === undefined ? undefined : Number(status);
}

/**
 * Returns a head with the same meaning as RFC 9112 has it: lines without a colon and names that are none are
 * dropped, control characters become spaces (RFC 9110 section 5.5), continued lines become one. Its connection
 * ends with the response. Throws an error with the code UNCLEAR_LENGTH where two readers could see different ends.
 */
export function repairHead(head: string): string {
  const [statusLine = "", ...lines] = head.replace(/^[\r\n]+/, "").split(/\r?\n/);
  const fields = unfolded(lines).flatMap(toField);
  const kept = fields.filter(({ name }) => !REWRITTEN.has(name));
  return [
    repairStatusLine(statusLine),
    ...kept.map(({ name, value }) => `${name}: ${value}`),
    ...(BODILESS.has(String(statusOf(statusLine))) ? [] : framing(fields)),
    "connection: close",
    "\r\n",
  ].join("\r\n");
}

function repairStatusLine(line: string): string {
  const [, version = "1.1", status = "", reason = ""] = STATUS_LINE.exec(line) ?? [];
  return `HTTP/${version === "1.0" ? "1.0" : "1.1"} ${status} ${withoutControls(reason)}`;
}

/** Joins lines that continue the one before (obs-fold, RFC 9112 section 5.2); drops one that continues none. */
function unfolded(lines: readonly string[]): string[] {
  const whole: string[] = [];
  for (const line of lines) {
    if (!/^[ \t]/.test(line)) whole.push(line);
    else if (whole.length > 0) whole.push(`${whole.pop()} ${line.trim()}`);
  }
  return whole;
}

function toField(line: string): Field[] {
  const colon = line.indexOf(":");
  if (colon < 0) return [];
  const name = line
    .slice(0, colon)
    .replace(/^[ \t]+|[ \t]+$/g, "")
    .toLowerCase();
  if (HEADER_NAME.test(name)) return [{ name, value: withoutControls(line.slice(colon + 1)) }];
  const visible = name.replace(/[^a-z-]/g, "");
  if (visible === "content-length" || visible === "transfer-encoding") throw unclear();
  return [];
}

function withoutControls(value: string): string {
  return value.replace(/[\0-\x08\n-\x1f\x7f]/g, " ").trim();
}

/** Returns the one line that says where the body ends. Transfer-Encoding overrides Content-Length (RFC 9112 section 6.3). */
function framing(fields: readonly Field[]): string[] {
  const codings = listOf(fields, "transfer-encoding").filter((coding) => coding !== "identity");
  if (codings.length > 0) return [`transfer-encoding: ${[...new Set(codings)].join(", ")}`];
  const values = listOf(fields, "content-length");
  const [length, ...others] = new Set(values.map((value) => value.replace(/^0+(?=\d)/, "")));
  if (length === undefined) {
    if (fields.some(({ name }) => name === "content-length")) throw unclear();
    return [];
  }
  if (others.length > 0 || !/^\d+$/.test(length)) throw unclear();
  return [`content-length: ${length}`];
}

/** Returns the elements of a list header, however often it is there. */
function listOf(fields: readonly Field[], wanted: string): string[] {
  const values = fields.filter(({ name }) => name === wanted).map(({ value }) => value);
  const elements = values.join(",").split(",");
  return elements.map((element) => element.trim().toLowerCase()).filter((text) => text !== "");
}

function unclear(): Error {
  return Object.assign(new Error("The response does not say for certain where it ends."), {
    code: UNCLEAR_LENGTH,
  });
}
