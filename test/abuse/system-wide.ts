/** A daemon under a user of its own, as `authd service install --system` sets it up, attacked by an ordinary user. */
import test from "ava";
import { PEOPLE, withSystemManager } from "../helpers/system-manager.ts";

/** Prints what came of each try: an error's code, or `in`. The arguments are paths, and the daemon's pid. */
const ATTACK = `
const fs = require("node:fs");
const [, pid, ...paths] = process.argv;
const found = {};
const attempt = (what, work) => {
  try { work(); found[what] = "in"; } catch (error) { found[what] = error.code; }
};
for (const path of paths) {
  attempt("write " + path, () => fs.appendFileSync(path, "x"));
  attempt("replace " + path, () => fs.renameSync("/run/alice/mine", path));
  attempt("remove " + path, () => fs.rmSync(path));
  attempt("link " + path, () => fs.linkSync(path, "/run/alice/link"));
  attempt("put beside " + path, () => fs.writeFileSync(path + ".new", "x"));
  if (path.startsWith("/var/lib") || path.includes("cred")) attempt("read " + path, () => fs.readFileSync(path));
}
for (const what of ["mem", "environ", "maps", "auxv", "stack"])
  attempt("read /proc " + what, () => fs.readFileSync("/proc/" + pid + "/" + what));
for (const what of ["exe", "cwd", "root"]) attempt("follow /proc " + what, () => fs.readlinkSync("/proc/" + pid + "/" + what));
attempt("list its descriptors", () => fs.readdirSync("/proc/" + pid + "/fd"));
attempt("change its limits", () => fs.writeFileSync("/proc/" + pid + "/oom_score_adj", "1000"));
for (const signal of ["SIGTERM", "SIGKILL", "SIGHUP", "SIGUSR1", "SIGSTOP"])
  attempt("send " + signal, () => process.kill(Number(pid), signal));
console.log(JSON.stringify(found));`;

/** Opens the memory of every process of user `authd` as soon as it is there, for some seconds. */
const RACE = `
const fs = require("node:fs");
const uid = Number(process.argv[1]);
let [tries, opened] = [0, 0];
const seen = new Set();
const look = () => {
  for (const pid of fs.readdirSync("/proc")) {
    if (!/^[0-9]+$/.test(pid)) continue;
    try {
      if (fs.statSync("/proc/" + pid).uid !== uid && !seen.has(pid)) continue;
      seen.add(pid);
      tries++;
      fs.closeSync(fs.openSync("/proc/" + pid + "/mem", "r"));
      opened++;
    } catch {}
  }
};
const end = Date.now() + 8000;
while (Date.now() < end && !fs.existsSync("/run/race-over")) look();
console.log(JSON.stringify({ processes: seen.size, tried: tries > 0, opened }));`;

/** Sends each line that stands in argv on a connection of its own, and prints the reason that it is answered. */
const ASK = `
const [, ...lines] = process.argv;
const ask = (line) => new Promise((resolve) => {
  const client = require("node:net").connect("/run/authd/authd.sock");
  let text = "";
  client.on("error", ({ code }) => resolve(code)).on("close", () => resolve(text));
  client.on("data", (data) => { text += data; });
  client.end(line + "\\n");
});
(async () => {
  for (const line of lines) {
    const { error } = JSON.parse(await ask(line) || "{}");
    console.log(JSON.parse(line).method + ": " + (error ? error.data.reason : "in"));
  }
})();`;

const REFUSED: readonly [string, object][] = [
  ["reload", {}],
  ["credentials/add", { name: "mine", grant: "static", settings: {}, secrets: { token: "x" } }],
  ["credentials/set", { credential: "mine", settings: { token_url: "https://evil.example" } }],
  ["credentials/trust", { credential: "mine" }],
  ["credentials/test", { credential: "mine" }],
  ["credentials/refresh", { credential: "mine" }],
  ["credentials/remove", { credential: "mine" }],
  ["vault/export", { passphrase: "a passphrase of alice's" }],
  ["vault/upload", { data: "" }],
  ["vault/import", { passphrase: "a passphrase of alice's", replace: true }],
  ["vault/rekey", { to: "file" }],
  ["lock", {}],
  ["unlock", { passphrase: "a guess" }],
  ["audit/head", {}],
  ["events", {}],
  ["subscribe", { events: true }],
  ["shutdown", { daemon: true }],
];

test("none of a user's programs gets past the daemon's user, its files, its memory or its rules", async (t) => {
  const lines = REFUSED.map(([method, params]) =>
    JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  );
  const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
  const ended = await withSystemManager(
    t,
    `
    ${PEOPLE}
    authd service install --system --let-in --user alice </dev/null > /dev/null
    export AUTHD_SOCKET=/run/authd/authd.sock
    for name in mine closed; do
      authd add $name --grant static --secrets-from - <<< '{"token":"made-up"}' > /dev/null; done
    printf '[[allow]]\\nuser = "alice"\\n' >> /etc/authd/credentials/mine.toml
    # All that the kernel tells a stranger: neither the program nor its digest.
    printf '[[allow]]\\nname = "by program"\\nuser = "alice"\\nexecutable = "%s"\\n' $(readlink -f /run/bin/node) \\
      >> /etc/authd/credentials/closed.toml
    authd reload > /dev/null; authd trust mine --yes > /dev/null; authd trust closed --yes > /dev/null
    before=$(find /etc/authd /var/lib/authd /etc/systemd/system /etc/credstore.encrypted -type f ! -name 'audit*' ! -name lock -exec sha256sum {} + | sort)
    pid=$(property authd-system.service MainPID)
    as alice touch /run/alice/mine
    echo "attack: $(as alice node -e ${quoted(ATTACK)} $pid \\
      $(find /etc/authd /var/lib/authd -type f) /run/authd/authd.sock /etc/credstore.encrypted/authd-vault-key \\
      /etc/systemd/system/authd-system.service /run/checkout/dist/src/main.js)"
    as alice node -e ${quoted(ASK)} ${lines.map(quoted).join(" ")}
    echo "by program: $(as alice authd get closed 2>&1)"
    as alice node -e ${quoted(RACE)} $(id -u authd) > /run/race &
    for try in 1 2 3; do systemctl restart authd-system.service; done; touch /run/race-over; wait %1
    echo "race: $(cat /run/race)"
    after=$(find /etc/authd /var/lib/authd /etc/systemd/system /etc/credstore.encrypted -type f ! -name 'audit*' ! -name lock -exec sha256sum {} + | sort)
    [ "$before" = "$after" ] && echo "all files as before"
    echo "audit: $(AUTHD_STATE_DIR=/var/lib/authd authd audit verify > /dev/null 2>&1; echo $?)"
    echo "alice: $(as alice authd get mine)"`,
  );
  if (!ended) return;
  const { stdout, stderr } = ended;
  const told = (name: string) =>
    JSON.parse(new RegExp(`^${name}: (\\{.*\\})$`, "m").exec(stdout)?.[1] ?? "null");
  const attack: Record<string, string> = told("attack");
  t.true(Object.keys(attack).length > 50, stdout + stderr);
  t.deepEqual(
    Object.entries(attack).filter(([, outcome]) => !/^E(ACCES|PERM|XDEV|NXIO)$/.test(outcome)),
    [],
  );
  for (const [method] of REFUSED)
    t.regex(stdout, new RegExp(`^${method}: caller_not_allowed$`, "m"), stdout + stderr);
  t.regex(stdout, /^by program: .*no \[\[allow\]\] rule names it/m);
  t.like(told("race"), { tried: true, opened: 0 });
  t.regex(stdout, /^all files as before$/m, stdout + stderr);
  t.regex(stdout, /^audit: 0$/m, stdout + stderr);
  t.regex(stdout, /^alice: made-up$/m);
  t.notRegex(stdout, /^never/m);
});
