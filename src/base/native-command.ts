import { fileURLToPath } from "node:url";

/** Where `npm run build:native` leaves the native command of this package; it need not be there. */
export const NATIVE_COMMAND = fileURLToPath(
  new URL("../../../native/target/release/authd", import.meta.url),
);
