// Prints the microseconds of each of N calls of getToken, for bench/clients.ts: CREDENTIAL N.
import { connect } from "../../dist/src/client.js";

const [credential, calls] = process.argv.slice(2);
const client = connect();
for (let warming = 0; warming < calls / 10; warming++) await client.getToken({ credential });
for (let call = 0; call < calls; call++) {
  const startedAt = performance.now();
  await client.getToken({ credential });
  console.log((performance.now() - startedAt) * 1000);
}
