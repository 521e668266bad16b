import {
  credentialFileAsItIs,
  removeCredentialFile,
  writeCredentialFile,
} from "../config/config.ts";

/** Writes a credential's file, then does `work`. If that fails, puts the former file back. */
export async function writeFileFor(
  { dir, name, text }: { dir: string; name: string; text: string },
  work: () => Promise<void>,
): Promise<void> {
  const putBack = restorer(dir, name);
  writeCredentialFile(dir, name, text);
  try {
    await work();
  } catch (error) {
    putBack();
    throw error;
  }
}

/** Returns a function that makes the file again as it is now. */
function restorer(dir: string, name: string): () => void {
  let before: string | undefined;
  try {
    before = credentialFileAsItIs(dir, name);
  } catch {
    // authd could not use that file: what replaces it may stay.
    return () => {};
  }
  const text = before;
  return text === undefined
    ? () => removeCredentialFile(dir, name)
    : () => writeCredentialFile(dir, name, text);
}
