// Loaded before a unit test: whatever starts a process fails.
import child from "node:child_process";
import { syncBuiltinESMExports } from "node:module";

for (const name of ["exec", "execFile", "execFileSync", "execSync", "fork", "spawn", "spawnSync"])
  child[name] = (program) => {
    throw new Error(`a unit test starts no process: ${program}`);
  };
syncBuiltinESMExports();
