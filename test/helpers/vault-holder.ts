/** Opens the vault named in argv, says so, and holds it until killed. */
import { openVault } from "../../src/vault/index.ts";

const log = { info: () => undefined, warn: () => undefined };
await openVault({ dir: process.argv[2]!, keySource: "file", env: {}, log });
console.log("open");
setInterval(() => undefined, 60_000);
