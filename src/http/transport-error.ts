/** Explains the error codes of Node's sockets, of its TLS and of undici. */
import { errorCode } from "../errors.ts";
import { neverSent, TOO_MANY_INTERIM_ANSWERS } from "./http.ts";

type Explain = (host: string) => string;

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

/** One row a code; codes of one meaning share their text. */
const MEANINGS: Record<string, Explain> = {
  ENOTFOUND: unknownName,
  EAI_AGAIN: unknownName,
  ECONNREFUSED: (host) => `nothing answers at ${host}: check the address and that the server runs`,
  EHOSTUNREACH: unreachable,
  ENETUNREACH: unreachable,
  EADDRNOTAVAIL: unreachable,
  UND_ERR_CONNECT_TIMEOUT: tooSlow,
  ETIMEDOUT: tooSlow,
  ERR_PROXY: (host) =>
    `the proxy made no way to ${host}: check proxy in config.toml, and that it runs`,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownAuthority,
  DEPTH_ZERO_SELF_SIGNED_CERT: unknownAuthority,
  SELF_SIGNED_CERT_IN_CHAIN: unknownAuthority,
  CERT_HAS_EXPIRED: wrongDates,
  CERT_NOT_YET_VALID: wrongDates,
  ERR_TLS_CERT_ALTNAME_INVALID: otherName,
};
/** One row a code of failures after the request was sent. */
const MEANINGS_LATE: Record<string, Explain> = {
  [TOO_MANY_INTERIM_ANSWERS]: (host) =>
    `${host} sent one interim answer (1xx) after another and no final one: its operator must mend that`,
};
/** Codes of every other TLS failure. */
const TLS = /^(EPROTO|ERR_SSL_|ERR_TLS_|CERT_|CRL_|UNABLE_TO_|INVALID_)/;

/** True if the host's name does not exist; false if the name server could not be asked. */
export function isUnknownHost(error: unknown): boolean {
  return neverSent(error) && errorCode(error) === "ENOTFOUND";
}

/** Returns what happened and what to do, for the end of a sentence. Contains nothing of any body. */
export function explainNetworkError(error: unknown, host: string): string {
  const code = errorCode(error) ?? (error instanceof Error ? error.name : "unknown error");
  return `${meaningOf(code, neverSent(error))(host)} (${code}).`;
}

function meaningOf(code: string, early: boolean): Explain {
  const meanings = early ? MEANINGS : MEANINGS_LATE;
  if (Object.hasOwn(meanings, code)) return meanings[code]!;
  if (TLS.test(code)) {
    return (host) => `no secure connection to ${host} came about: check that it speaks https there`;
  }
  return early
    ? (host) => `no connection to ${host} came about: check the network`
    : (host) => `the connection to ${host} broke before its answer was complete`;
}
