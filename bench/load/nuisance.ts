/**
 * One kind of nuisance, in a process that is given what the others leave of the machine.
 *
 *   node nuisance.js KIND SOCKET API COUNT [UID]
 *
 * Told "end", it tells its tally, with what hangs in `hung`, and ends.
 */
import { setPriority } from "node:os";
import { ready } from "../helpers/ready.ts";
import { floods } from "./floods.ts";
import { type Around, kinds } from "./kinds.ts";

const [kind = "", socket = "", api = "", count = "0", uid] = process.argv.slice(2);
setPriority(5);
const around: Around = { socket, api, count: Number(count), tally: {}, over: false };
if (uid !== undefined) become(Number(uid));
const end = await { ...kinds, ...floods }[kind]!(around);
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

/** Another user, with a group of its own; root's to do. */
function become(id: number): void {
  process.setgroups!([]);
  process.setgid!(id);
  process.setuid!(id);
}
