/** Tells of a secret that answers may replace, and none has: its place may be wrong. */
import type { CredentialSettings } from "../config/settings.ts";
import { obtainsRotating, rotatingSecret } from "../grants/index.ts";
import type { Note } from "../protocol.ts";
import type { IssuedToken } from "./issued-token.ts";
import type { CredentialRecord } from "./record.ts";

/** Returns the note, once a token has come; none where an answer has replaced the secret before. */
export function unreplacedNote(
  settings: CredentialSettings,
  record: CredentialRecord | undefined,
  issued: IssuedToken | undefined,
): Note[] {
  const secret = rotatingSecret(settings);
  const { rotates } = settings.own as { rotates?: Readonly<Record<string, string>> };
  const place = secret && rotates?.[secret];
  if (!place || !record || !issued) return [];
  const obtains = obtainsRotating(settings);
  const isMissing = obtains
    ? record.secrets[secret] === undefined
    : record.rotation?.worked === true && record.rotation.entered === undefined;
  if (!isMissing) return [];
  const then = obtains ? "each renewal signs in anew" : "the one that was entered is sent again";
  const { name } = settings;
  const message = `${name}: no answer of the issuer has had anything at rotates.${secret} = "${place}", so ${then}`;
  return [{ message, help: `authd set ${name} --set rotates.${secret}=…` }];
}
