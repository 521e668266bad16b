/** Names and explains what is wrong with a response as such, before anything reads its content. */

/** Returns what happened to a request to `host`, and what to do. `message` is the error's own. */
export type Explain = (host: string, message: string) => string;

/** Interim responses (1xx) without end. */
export const TOO_MANY_INTERIM_ANSWERS = "ERR_TOO_MANY_INTERIM_ANSWERS";
/** More than 64 KiB of headers. */
export const HEADERS_TOO_LONG = "ERR_HEADERS_TOO_LONG";
/** A response whose end can't be told for certain. */
export const UNCLEAR_LENGTH = "ERR_UNCLEAR_LENGTH";
/** A 101 that nothing asked for. */
export const SWITCHED_PROTOCOLS = "ERR_SWITCHED_PROTOCOLS";
/** Bytes that begin no HTTP response. */
export const NOT_HTTP = "ERR_NOT_HTTP";
/** HTTP/2 on a connection for which it was not agreed on. */
export const SPEAKS_HTTP2 = "ERR_SPEAKS_HTTP2";
/** TLS on a connection without. */
export const SPEAKS_TLS = "ERR_SPEAKS_TLS";
/** A mistake that undici's parser found. */
export const BAD_FRAMING = "ERR_BAD_FRAMING";

const tooLong: Explain = (host) =>
  `${host} sent over 64 KiB of headers, which authd does not read: its operator must mend that`;
const badFraming: Explain = (host, message) => {
  // undici's parser has a fixed set of reasons; nothing of the response is in them.
  const reason = /\(([A-Za-z -]{1,60})\)$/.exec(message)?.[1];
  return `${host} sent an answer that breaks the rules of HTTP${reason ? ` ("${reason}")` : ""}: its operator must mend that`;
};

/** One row a code of a response that can't be read. */
export const HTTP_MEANINGS: Readonly<Record<string, Explain>> = {
  [TOO_MANY_INTERIM_ANSWERS]: (host) =>
    `${host} sent one interim answer (1xx) after another and no final one: its operator must mend that`,
  [HEADERS_TOO_LONG]: tooLong,
  UND_ERR_HEADERS_OVERFLOW: tooLong,
  [UNCLEAR_LENGTH]: (host) =>
    `the answer of ${host} does not say for certain where it ends (Content-Length), so part of it could pass for another answer: its operator must mend that`,
  [SWITCHED_PROTOCOLS]: (host) =>
    `${host} switched to another protocol, for which nothing asked: check the address`,
  [NOT_HTTP]: (host) => `${host} answers, but not in HTTP: check the port in the address`,
  [SPEAKS_HTTP2]: (host) =>
    `${host} speaks HTTP/2 without having agreed on it: authd uses HTTP/2 where an https server offers it (ALPN) and speaks nothing else; let its operator offer it, or HTTP/1.1`,
  [SPEAKS_TLS]: (host) => `${host} speaks https: begin the address with https://`,
  [BAD_FRAMING]: badFraming,
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: badFraming,
};
