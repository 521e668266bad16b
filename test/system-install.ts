/** `authd service … --system` on a real systemd, used by real users, and undone. */
import test from "ava";
import { startApi } from "./helpers/api.ts";
import { withSystemManager } from "./helpers/system-manager.ts";

/** The helper's copies of the units are for set-ups by hand. */
const PEOPLE = `
  rm /run/units/authd-system.*
  printf 'u alice 64011 "" /run/alice\\nu bob 64012 "" /run/bob\\n' | systemd-sysusers - 2>/dev/null
  for user in alice bob; do mkdir /run/$user; chown $user:$user /run/$user; chmod 700 /run/$user; done
  as() { local user=$1; shift
    setpriv --reuid=$user --regid=$user --init-groups --inh-caps=-all \\
      env -i PATH=$PATH HOME=/run/$user AUTHD_SOCKET=\${SOCKET:-/run/authd/authd.sock} "$@"; }
  written() {
    find /etc/systemd /etc/sysusers.d /etc/tmpfiles.d /etc/authd /etc/credstore.encrypted ! -type d 2>/dev/null |
      grep authd | sort | tr '\\n' ' '; }`;

test("one command sets it up, users use it, and one command undoes it", async (t) => {
  const { origin } = await startApi(t, ({ headers }, response) =>
    response.end(`${headers.authorization}`),
  );
  const ended = await withSystemManager(
    t,
    `
    ${PEOPLE}
    authd service status --system
    as alice authd service install --system; echo "as alice: $?, written: $(written)"
    SUDO_USER=alice authd service install --system --let-in </dev/null; echo "installed: $?"
    echo "members: $(getent group authd-clients)"
    authd service status --system; echo "status: $?"
    export AUTHD_SOCKET=/run/authd/authd.sock
    echo "socket: $(stat -c '%a %U %G' $AUTHD_SOCKET)"
    echo "config: $(stat -c '%a %U' /etc/authd /etc/authd/config.toml /var/lib/authd /etc/authd/credentials | tr '\\n' ' ')"
    pid=$(property authd-system.service MainPID)
    echo "runs as: $(stat -c %U /proc/$pid), $(sed -n 's/^CapBnd:[^0-9]*//p' /proc/$pid/status)"
    authd status --json | grep -o '"vaultKey": *"[^"]*"'
    authd add demo --grant static --set origins=${origin} --set expose=request --secrets-from - \\
      <<< '{"token":"made-up"}' > /dev/null
    echo "without a rule: $(as alice authd request demo ${origin}/x 2>&1)"
    printf '[[allow]]\\nuser = "alice"\\n' >> /etc/authd/credentials/demo.toml
    authd reload > /dev/null; authd trust demo > /dev/null
    echo "alice: $(as alice authd request demo ${origin}/x 2>&1)"
    echo "bob: $(as bob authd request demo ${origin}/x 2>&1)"
    SUDO_USER=alice authd service install --system </dev/null; echo "installed again: $?"
    echo "alice again: $(as alice authd request demo ${origin}/x 2>&1)"
    before=$(written)
    authd service uninstall --system --purge </dev/null; echo "purge unasked: $?"
    [ "$before" = "$(written)" ] && echo "nothing was changed by it"
    authd service uninstall --system; echo "uninstalled: $?, left: $(written)"
    [ -e /run/authd ] || echo "no socket folder"
    echo "state: $(systemctl is-active authd-system.socket authd-system.service | tr '\\n' ' ')"
    authd service install --system </dev/null > /dev/null; echo "installed anew: $?"
    echo "alice anew: $(as alice authd request demo ${origin}/x 2>&1)"
    echo '# mine' >> /etc/systemd/system/authd-system.service
    authd service install --system </dev/null; echo "edited: $?"
    sed -i '$d' /etc/systemd/system/authd-system.service
    authd service uninstall --system --purge --yes; echo "purged: $?, left: $(written)"
    [ -e /var/lib/authd ] || echo "no vault"
    echo "accounts: $(getent passwd authd; getent group authd authd-clients)"`,
  );
  if (!ended) return;
  const { stdout, stderr } = ended;
  const says = (line: string | RegExp) =>
    t.regex(stdout, line instanceof RegExp ? line : new RegExp(`^${line}$`, "m"), stdout + stderr);
  says("The service is not installed: authd service install --system");
  says("as alice: 1, written: ");
  says("installed: 0");
  says(/^members: authd-clients:.*:alice$/m);
  says(/^running: +yes$/m);
  says("status: 0");
  says("socket: 660 root authd-clients");
  says("config: 755 root 644 root 700 authd 750 authd ");
  says("runs as: authd, 0000000000000000");
  says(/"vaultKey": *"systemd-credential"/);
  says(/^without a rule: .*may use no credential/m);
  says("alice: Bearer made-up");
  says(/^bob: .*EACCES/m);
  says("installed again: 0");
  says("alice again: Bearer made-up");
  says("purge unasked: 2");
  says("nothing was changed by it");
  says(
    "uninstalled: 0, left: /etc/authd/config.toml /etc/authd/credentials/demo.toml /etc/credstore.encrypted/authd-vault-key ",
  );
  says("no socket folder");
  says("state: inactive inactive ");
  says("installed anew: 0");
  says("alice anew: Bearer made-up");
  says("edited: 1");
  says("purged: 0, left: ");
  says("no vault");
  says("accounts: ");
  says("script is through");
  t.regex(stderr, /Only root can install an authd for the whole machine: sudo authd service/);
  t.regex(stderr, /authd-system\.service was changed after authd wrote it; nothing was changed/);
  t.notRegex(stdout, /^never/m);
});
