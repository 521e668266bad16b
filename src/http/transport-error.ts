/** Explains the error codes of Node's sockets, of its TLS, of undici and of the transport. */
import { errorCode, messageOf } from "../errors.ts";
import { HttpFailure, neverSent } from "./http.ts";
import { type Explain, HTTP_MEANINGS } from "./response-error.ts";

const unknownName: Explain = (host) =>
  `the name ${host} can't be looked up: check its spelling and the network`;
const unreachable: Explain = (host) => `there is no way to ${host}: check the network`;
const tooSlow: Explain = (host) => `${host} did not take the connection in time: check the network`;
const unknownAuthority: Explain = (host) =>
  `the certificate of ${host} is from an authority that this machine does not know; if it is a private one, name its PEM file as ca_file in the credential file`;
const wrongDates: Explain = (host) =>
  `the certificate of ${host} is out of date: check this machine's clock, otherwise its operator must renew it`;
const otherName: Explain = (host) =>
  `the certificate of ${host} is made out to another name: check the address`;
const speaksNoTls: Explain = (host) =>
  `${host} does not speak https there, perhaps http: check the port, or begin the address with http:// (beyond this machine that takes allow_insecure_http = true)`;

/** One row a code; codes of one meaning share their text. */
const MEANINGS: Readonly<Record<string, Explain>> = {
  ENOTFOUND: unknownName,
  EAI_AGAIN: unknownName,
  ECONNREFUSED: (host) => `nothing answers at ${host}: check the address and that the server runs`,
  EHOSTUNREACH: unreachable,
  ENETUNREACH: unreachable,
  EADDRNOTAVAIL: unreachable,
  UND_ERR_CONNECT_TIMEOUT: tooSlow,
  ETIMEDOUT: tooSlow,
  ERR_PROXY: (host, message) =>
    `the proxy made no way to ${host} (${message}): check proxy in config.toml, and that it runs`,
  ERR_PROXY_AUTHENTICATION: (_, message) =>
    `the proxy wants a user and a password that it knows (${message}): put them into proxy in config.toml, as http://USER:PASSWORD@HOST:PORT`,
  ERR_PROXY_REFUSED: (host, message) =>
    `the proxy lets nobody, or not this machine, through to ${host} (${message}): ask whoever runs it`,
  ERR_PROXY_GATEWAY: (host, message) =>
    `the proxy itself can't reach ${host} (${message}): check the address; the proxy runs, and may have no way there`,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownAuthority,
  DEPTH_ZERO_SELF_SIGNED_CERT: unknownAuthority,
  SELF_SIGNED_CERT_IN_CHAIN: unknownAuthority,
  CERT_HAS_EXPIRED: wrongDates,
  CERT_NOT_YET_VALID: wrongDates,
  ERR_TLS_CERT_ALTNAME_INVALID: otherName,
  ERR_SSL_WRONG_VERSION_NUMBER: speaksNoTls,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: speaksNoTls,
};
/** Codes of every other TLS failure. */
const TLS = /^(EPROTO|ERR_SSL_|ERR_TLS_|CERT_|CRL_|UNABLE_TO_|INVALID_)/;

/** True if the host's name does not exist; false if the name server could not be asked. */
export function isUnknownHost(error: unknown): boolean {
  return neverSent(error) && errorCode(error) === "ENOTFOUND";
}

/** Returns what happened and what to do, for the end of a sentence. Contains nothing of any body. */
export function explainNetworkError(error: unknown, { host, protocol }: URL): string {
  const code = errorCode(error) ?? (error instanceof Error ? error.name : "unknown error");
  const meaning = neverSent(error) ? earlyMeaning(code) : lateMeaning(code);
  const hint = protocol === "http:" && wasClosedUnanswered(error) ? PERHAPS_TLS : "";
  return `${meaning(host, messageOf(error))}${hint} (${code}).`;
}

function earlyMeaning(code: string): Explain {
  if (Object.hasOwn(MEANINGS, code)) return MEANINGS[code]!;
  if (TLS.test(code)) {
    return (host) => `no secure connection to ${host} came about: check that it speaks https there`;
  }
  return (host) => `no connection to ${host} came about: check the network`;
}

function lateMeaning(code: string): Explain {
  if (Object.hasOwn(HTTP_MEANINGS, code)) return HTTP_MEANINGS[code]!;
  return (host) => `the connection to ${host} broke before its answer was complete`;
}

const PERHAPS_TLS = "; if it speaks https, begin the address with https://";

/** True if the server hung up without a byte, as those do that wait for TLS. */
function wasClosedUnanswered(error: unknown): boolean {
  return error instanceof HttpFailure && error.sent && !error.answered && !error.reused;
}
