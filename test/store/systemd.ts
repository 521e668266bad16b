/** A host under a real systemd: the store's password and key, and the vault's passphrase, are sealed credentials. */
import test from "ava";
import { addStatic, startHost, succeeded } from "../helpers/fleet.ts";
import { startPostgres } from "../helpers/postgres.ts";
import { PEOPLE, withSystemManager } from "../helpers/system-manager.ts";

test("a unit enters a store with what LoadCredentialEncrypted hands over, and nothing of it in a file", async (t) => {
  t.timeout(300_000);
  const server = await startPostgres(t);
  const { url, password } = await server.createDatabase();
  const one = await startHost(t, { url, password: password!() }, "one");
  await addStatic(t, one, "mine");
  succeeded(t, await one.cli(["vault", "move", "--to", url]));
  const key = succeeded(t, await one.cli(["fleet", "key", "nodes"])).stdout.trim();
  const { pathname } = new URL(url);
  const ended = await withSystemManager(
    t,
    `${PEOPLE}
    seal() { systemd-creds encrypt --name=$1 - /etc/credstore.encrypted/$1; }
    authd service install --system > /dev/null; echo "installed: $?"
    printf '%s' '${password!()}' | seal store-password
    printf '%s\\n' '${key}' | seal store-key
    mkdir -p /etc/systemd/system/authd-system.service.d
    cp /run/checkout/systemd/authd-system-store.conf /etc/systemd/system/authd-system.service.d/store.conf
    printf '[store]\\nurl = "postgres://owner@127.0.0.1:${server.port}${pathname}"\\nhost = "unit"\\n' >> /etc/authd/config.toml
    export AUTHD_SOCKET=/run/authd/authd.sock
    restart() { systemctl daemon-reload; systemctl restart authd-system.service; echo "started: $?"
      pause_until 'authd health > /run/health 2>&1'; cat /run/health; }
    restart
    echo "got: $(authd get mine)"
    echo "in files: $(grep -rlF -e '${key}' -e '${password!()}' /etc /var/lib /run/authd 2>/dev/null)."
    # The same, with a vault whose key is made from a passphrase.
    printf 'a long passphrase' | seal authd-passphrase
    printf '[Service]\\nEnvironment=AUTHD_VAULT_KEY=passphrase\\nLoadCredentialEncrypted=authd-passphrase:/etc/credstore.encrypted/authd-passphrase\\n' \\
      > /etc/systemd/system/authd-system.service.d/passphrase.conf
    systemctl stop authd-system.service; rm -r /var/lib/authd/vault
    restart
    echo "got again: $(authd get mine)"
    authd status --json | grep -o '"vaultKey": *"[a-z]*"'`,
  );
  if (!ended) return;
  const { stdout, stderr } = ended;
  const says = (line: string | RegExp) =>
    t.regex(stdout, line instanceof RegExp ? line : new RegExp(`^${line}$`, "m"), stdout + stderr);
  says("installed: 0");
  says(/^ {2}store: it is reached$/m);
  says("got: token-of-mine");
  says(/^in files: \.$/m);
  says("got again: token-of-mine");
  says(/"vaultKey": *"passphrase"/);
  says("script is through");
  t.notRegex(stdout, /^never/m);
  const hosts = JSON.parse(succeeded(t, await one.cli(["fleet", "status", "--json"])).stdout);
  t.deepEqual(hosts.hosts.map(({ name }: { name: string }) => name).sort(), [
    ...["key:nodes", "one", "unit"],
  ]);
});
