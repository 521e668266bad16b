import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { untrustedPathReason } from "../../src/rpc/path-ownership.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { asRoot } from "../helpers/optional.ts";

const DAEMON = 64_001;
const OTHER = 64_002;

asRoot("a place is trusted if nobody but root can have made it", (t) => {
  const base = mkdtempSync("/run/authd-test-");
  t.teardown(() => rmSync(base, { recursive: true, force: true }));
  chmodSync(base, 0o755);
  const folder = join(base, "authd");
  mkdirSync(folder);
  const why = () => untrustedPathReason(join(folder, "authd.sock"), DAEMON);
  t.is(why(), undefined, "root's");
  chownSync(folder, DAEMON, DAEMON);
  t.is(why(), undefined, "the daemon's");
  chmodSync(folder, 0o775);
  t.regex(why() ?? "", /others may write to .*authd$/);
  chmodSync(folder, 0o750);
  chownSync(folder, OTHER, OTHER);
  t.is(why(), `${folder} is user ${OTHER}'s`);
  chownSync(folder, DAEMON, DAEMON);
  chownSync(base, DAEMON, DAEMON);
  t.is(why(), `${base} is user ${DAEMON}'s`, "above it root's alone");
  chownSync(base, 0, 0);
  chmodSync(base, 0o1777);
  t.is(why(), `others may write to ${base}`, "anybody can make a folder there");
});

asRoot("nothing in a temporary folder is trusted", (t) => {
  const folder = temporaryFolder(t);
  chownSync(folder, DAEMON, DAEMON);
  t.not(untrustedPathReason(join(folder, "authd.sock"), DAEMON), undefined);
});
