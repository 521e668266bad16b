/** A client's certificate and key for mutual TLS (RFC 8705), as PEM or PKCS #12 in the vault. */
import { createSecureContext } from "node:tls";
import { AuthdError } from "../errors.ts";
import type { ClientCertificate, SecretField } from "./grant.ts";

/** Names of the secrets. */
const CERTIFICATE = "tls_certificate";
const PASSPHRASE = "tls_passphrase";

export const certificateSecrets: readonly SecretField[] = [
  {
    ...{ name: CERTIFICATE, optional: false, label: "Client certificate" },
    hint: "PEM with certificate and key, or PKCS #12 in base64",
  },
  { name: PASSPHRASE, optional: true, label: "Passphrase of the certificate's key" },
];

/** Returns the certificate to show; undefined for a client that proves itself in another way, or has none yet. */
export function clientCertificate(
  settings: unknown,
  { [CERTIFICATE]: text, [PASSPHRASE]: passphrase }: Readonly<Record<string, string>>,
): ClientCertificate | undefined {
  if ((settings as { client_auth?: string }).client_auth !== "tls" || !text) return undefined;
  const isPem = text.includes("-----BEGIN ");
  return {
    ...(isPem ? { cert: text, key: text } : { pfx: Buffer.from(text, "base64") }),
    ...(passphrase === undefined ? {} : { passphrase }),
  };
}

/** Throws AuthdError `invalid_params` for a certificate that is missing, or that TLS can't use. */
export function assertCertificate(certificate: ClientCertificate | undefined): void {
  if (!certificate) {
    throw new AuthdError("invalid_params", `its secret "${CERTIFICATE}" is missing: enter it.`);
  }
  try {
    createSecureContext({ ...certificate });
  } catch {
    // The error may quote the key.
    throw new AuthdError(
      "invalid_params",
      `its secret "${CERTIFICATE}" is neither a certificate with its key in PEM nor PKCS #12 in base64, or "${PASSPHRASE}" is not its passphrase: enter them again. (Old PKCS #12 files have to be written anew: openssl pkcs12 -legacy.)`,
    );
  }
}
