import test from "ava";
import { AuthdError } from "../../../../src/errors.ts";
import { StoreRefusal } from "../../../../src/vault/store/index.ts";
import { storeError } from "../../../../src/vault/store/postgres/server-error.ts";

const error = (message: string, code?: string) => Object.assign(new Error(message), { code });

test("only what another try can't change is a refusal", (t) => {
  for (const refused of [
    error("no pg_hba.conf entry for host", "28000"),
    error('password authentication failed for user "authd"', "28P01"),
    error('database "authd" does not exist', "3D000"),
    error("permission denied for table record", "42501"),
    error('relation "authd.record" does not exist', "42P01"),
    error("self-signed certificate in certificate chain", "SELF_SIGNED_CERT_IN_CHAIN"),
    error("certificate has expired", "CERT_HAS_EXPIRED"),
    error("Hostname/IP does not match certificate's altnames", "ERR_TLS_CERT_ALTNAME_INVALID"),
    error("The server does not support SSL connections"),
    error("SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string"),
    // As PgBouncer says it.
    error("SASL authentication failed", "08P01"),
    error("no such database: authd", "08P01"),
  ]) {
    t.true(storeError(refused) instanceof StoreRefusal, refused.message);
  }
  for (const passing of [
    error("connect ECONNREFUSED 127.0.0.1:5432", "ECONNREFUSED"),
    error("getaddrinfo ENOTFOUND db.example.com", "ENOTFOUND"),
    error("timeout expired"),
    error("the database system is starting up", "57P03"),
    error("sorry, too many clients already", "53300"),
    error("recovery is in progress", "55000"),
    error("pgbouncer cannot connect to server", "08P01"),
    error(""),
  ]) {
    t.false(storeError(passing) instanceof StoreRefusal, passing.message);
    t.is(storeError(passing).reason, "too_busy");
  }
});

test("a refusal says what a person does about it, where that is known", (t) => {
  for (const [cause, remedy] of [
    [error('password authentication failed for user "authd"', "28P01"), /password_file/],
    [error('Peer authentication failed for user "authd"', "28000"), /named like the system's user/],
    [error('no pg_hba.conf entry for host "10.0.0.1"', "28000"), /let this role in/],
    [error("permission denied for schema authd", "42501"), /schemas\/store\.sql/],
    [error("unable to verify the first certificate", "UNABLE_TO_VERIFY_LEAF_SIGNATURE"), /ca_file/],
    [error("The server does not support SSL connections"), /turn ssl on/],
    [error('database "authd" does not exist', "3D000"), /does not exist\.$/],
  ] as const) {
    t.regex(storeError(cause).message, remedy);
  }
});

test("an error of authd's own stays as it is", (t) => {
  const own = new AuthdError("invalid_params", "The store's address is not used.");
  t.is(storeError(own), own);
});
