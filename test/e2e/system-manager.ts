import test from "ava";
import { startApi } from "../helpers/api.ts";
import { withSystemManager } from "../helpers/system-manager.ts";

test("the system-wide units, set up as documented, serve users and units by rules", async (t) => {
  const { origin } = await startApi(t, ({ headers }, response) =>
    response.end(`${headers.authorization}`),
  );
  const ended = await withSystemManager(
    t,
    `
    cd /run/checkout/systemd
    systemd-sysusers $PWD/authd-system.sysusers.conf
    printf 'u reporter 64011\\nu somebody 64012\\n' | systemd-sysusers -
    systemd-tmpfiles --create $PWD/authd-system.tmpfiles.conf
    install -d -m 700 /etc/credstore.encrypted
    head -c 32 /dev/urandom | base64 -w0 |
      systemd-creds encrypt --name=authd-vault-key - /etc/credstore.encrypted/authd-vault-key; echo "encrypt: $?"
    printf '[access]\\ngroups = ["authd-clients"]\\n' > /etc/authd/config.toml
    mkdir /run/units/authd-system.service.d
    printf '[Service]\\nStandardError=append:/run/authd.log\\n' > /run/units/authd-system.service.d/log.conf
    systemctl daemon-reload
    systemctl start authd-system.socket
    export AUTHD_SOCKET=/run/authd/authd.sock
    echo "socket: $(stat -c '%a %U %G' $AUTHD_SOCKET)"
    authd add demo --grant static --set origins=${origin} --set expose=request --secrets-from - \\
      <<< '{"token":"made-up"}' > /dev/null
    echo "state: $(property authd-system.service ActiveState)"
    pid=$(property authd-system.service MainPID)
    echo "runs as: $(stat -c %U /proc/$pid), $(sed -n 's/^CapBnd:[^0-9]*//p' /proc/$pid/status)"
    printf '[[allow]]\\nname = "the reports"\\nunit = "reports.service"\\n[[allow]]\\nuser = 64012\\n' \\
      >> /etc/authd/credentials/demo.toml
    authd reload > /dev/null; authd trust demo --yes > /dev/null
    authd status --json | grep -o '"vaultKey": *"[^"]*"'
    client() {
      printf '[Service]\\nType=oneshot\\nUser=%s\\nGroup=%s\\nSupplementaryGroups=%s\\nEnvironment=AUTHD_SOCKET=%s\\nStandardOutput=truncate:/run/said\\nStandardError=inherit\\nExecStart=/usr/bin/env authd %s\\n' \\
        $2 $2 "$3" $AUTHD_SOCKET "$4" > /run/units/$1
      systemctl daemon-reload; systemctl start $1 2>/dev/null; cat /run/said; }
    echo "reports: $(client reports.service 64011 authd-clients 'request demo ${origin}/x')"
    echo "reports, the token: $(client reports.service 64011 authd-clients 'get demo')"
    echo "others: $(client others.service 64011 authd-clients 'request demo ${origin}/x')"
    echo "by user: $(client others.service 64012 authd-clients 'request demo ${origin}/x')"
    echo "no member: $(client reports.service 64011 64011 'request demo ${origin}/x')"
    systemctl reload authd-system.service; echo "reload: $?"
    systemctl stop authd-system.service; echo "stopped: $(property authd-system.service Result)"
    echo "again: $(client reports.service 64011 authd-clients 'request demo ${origin}/x')"
    echo "log: $(cat /run/authd.log)"`,
  );
  if (!ended) return;
  const { stdout, stderr } = ended;
  const says = (line: string | RegExp) =>
    t.regex(stdout, line instanceof RegExp ? line : new RegExp(`^${line}$`, "m"), stdout + stderr);
  says("manager is up");
  says("socket: 660 root authd-clients");
  says("state: active");
  says("runs as: authd, 0000000000000000");
  says(/"vaultKey": *"systemd-credential"/);
  says("reports: Bearer made-up");
  says(/^reports, the token: .*does not leave authd/m);
  says(/^others: .*no \[\[allow\]\] rule names it/m);
  says("by user: Bearer made-up");
  says(/^no member: .*EACCES/m);
  says("reload: 0");
  says("stopped: success");
  says("again: Bearer made-up");
  says("script is through");
  t.notRegex(stdout, /^never/m);
});
