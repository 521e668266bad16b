/**
 * One kind of nuisance, in a process that is given what the others leave of the machine.
 *
 *   node nuisance.js KIND SOCKET API COUNT
 *
 * Told "end", it tells its tally, with what hangs in `hung`, and ends.
 */
import { setPriority } from "node:os";
import { ready } from "../helpers/ready.ts";
import { type Around, kinds } from "./kinds.ts";

const [kind = "", socket = "", api = "", count = "0"] = process.argv.slice(2);
setPriority(5);
const around: Around = { socket, api, count: Number(count), tally: {}, over: false };
const end = await kinds[kind]!(around);
process.once("message", async () => {
  around.over = true;
  const hung = await end().then(
    () => undefined,
    (error: Error) => error.message,
  );
  process.send?.({ tally: around.tally, hung });
  process.disconnect();
});
ready();
