import type { CandidateFiles } from "../../src/credential/credential-deps.ts";

/** For credentials whose secrets nobody enters anew. */
export const NO_CANDIDATES: CandidateFiles = {
  resolve(name) {
    throw new Error(`nobody looks after the file of ${name}`);
  },
  worked() {},
};
