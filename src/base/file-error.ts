import { errorCode, messageOf } from "../errors.ts";

/** Meaning and remedy of a file system's error, by its code. */
const ADVICE: Record<string, string> = {
  ENOSPC: "the disk is full; free some space",
  EDQUOT: "the disk quota is used up; free some space",
  EACCES: "permission denied; give its owner, who must run authd, the right to write there",
  EPERM: "not permitted; give its owner, who must run authd, the right to write there",
  EROFS: "the file system is read-only; mount it writable or move AUTHD_STATE_DIR",
  EFBIG: "a limit on the size of files is met; raise it (ulimit -f)",
  ENOENT: "the folder is gone; restart authd or create it again",
  EEXIST: "something that is no folder is in its place; move that away",
  ENOTDIR: "something that is no folder is in its place; move that away",
  EIO: "the disk reports an error; look at the system's log before trusting it further",
  EMFILE: "too many files are open; raise the limit (ulimit -n)",
};

/** Returns the meaning of a file system's error and the remedy, with its code; of others the message. */
export function explainFileError(error: unknown): string {
  const code = errorCode(error);
  const known = code === undefined ? undefined : ADVICE[code];
  return known ? `${known} (${code})` : messageOf(error);
}
