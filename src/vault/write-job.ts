import { explainFileError } from "../base/file-error.ts";
import { AuthdError } from "../errors.ts";

/** A write of a record; without plaintext its removal. */
export interface WriteJob {
  plaintext?: Buffer;
  durable: boolean;
  replaceDamaged: boolean;
  /** A person changes the credential: its generation grows. */
  isChange: boolean;
  /** Programs are kept from the credential as it is written. */
  isGuarded: boolean;
}

/** Returns the job that does the work of both, where only the last one matters; a removal keeps its place. */
export function mergeJobs(waiting: WriteJob, next: WriteJob): WriteJob | undefined {
  if (!waiting.plaintext || !next.plaintext) return undefined;
  return {
    plaintext: next.plaintext,
    durable: waiting.durable || next.durable,
    replaceDamaged: waiting.replaceDamaged || next.replaceDamaged,
    isChange: waiting.isChange || next.isChange,
    isGuarded: next.isGuarded,
  };
}

/** Returns the error of a job that the disk did not take. */
export function notSaved(name: string, path: string, cause: unknown): AuthdError {
  return new AuthdError(
    "internal",
    `"${name}" could not be saved to ${path}: ${explainFileError(cause)}. What was saved before is untouched`,
    { credential: name, cause },
  );
}
