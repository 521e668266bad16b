/** What an error of a server, or of the connection to it, says of the store. */
import { AuthdError } from "../../../errors.ts";
import { StoreRefusal } from "../store-refusal.ts";

/**
 * SQLSTATE: the role, its password or its rights (28, 42501), no such database (3D000) or table (42P01, 3F000). Another try
 * changes nothing; anything else may pass.
 */
const REFUSED = /^(28...|3D000|3F000|42501|42P01)$/;
/** What Node calls a certificate or a CA that it does not take, or TLS that was not agreed upon. */
const UNTRUSTED = /^(ERR_SSL_|ERR_TLS_|ERR_OSSL_|CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_)/;
/** Errors without a code of their own: a pooler's (08P01 stands for many), and the client's before it has sent a password. */
const REFUSING_WORDS =
  /authentication failed|no such (user|database)|^SASL|server does not support SSL/i;

/** What a person does about a refusal, by its code and words. */
const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [
    /28P01|(password|SASL) authentication failed/,
    "Correct the role's password, in password_file of [store] or in ~/.pgpass",
  ],
  [
    /(peer|ident) authentication failed/i,
    "Here its server takes the role that is named like the system's user alone: use that one, or have pg_hba.conf take a password",
  ],
  [
    /no pg_hba\.conf entry/,
    "Its pg_hba.conf is to let this role in, from this host to this database",
  ],
  [/42501/, "schemas/store.sql says what its role needs to be granted"],
  [/does not support SSL/, "Beyond this machine it has to be TLS: turn ssl on at the server"],
  [
    /UNABLE_TO_(GET|VERIFY)|SELF_SIGNED/,
    "Name the CA of the server's certificate in ca_file of [store]",
  ],
];

/**
 * Returns the error as this host tells it; one of its own stays as it is. `too_busy`: another try may do. The server's own
 * words hold no secret: it is never sent one but sealed, and the password as a proof.
 */
export function storeError(cause: unknown): AuthdError {
  if (cause instanceof AuthdError) return cause;
  const { message = "", code = "" } = Object(cause) as { message?: string; code?: string };
  const text = `The store can't be used: ${message || code || "no answer"}.`;
  const isRefused = REFUSED.test(code) || UNTRUSTED.test(code) || REFUSING_WORDS.test(message);
  if (!isRefused) return new AuthdError("too_busy", text);
  const [, remedy] = REMEDIES.find(([words]) => words.test(`${code} ${message}`)) ?? [];
  return new StoreRefusal(remedy === undefined ? text : `${text} ${remedy}`);
}
