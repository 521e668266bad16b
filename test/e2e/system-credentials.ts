import test from "ava";
import { ROOT } from "../helpers/sources.ts";
import { PEOPLE, withSystemManager } from "../helpers/system-manager.ts";

test("units of the system get tokens as credentials, by rules", async (t) => {
  const ended = await withSystemManager(
    t,
    `${PEOPLE}
    authd service install --system > /dev/null; echo "installed: $?"
    export AUTHD_SOCKET=/run/authd/authd.sock
    for name in open shut; do
      authd add $name --grant static --secrets-from - <<< '{"token":"a-token"}' > /dev/null
    done
    printf '[[allow]]\\nunit = "authd-credentials.service"\\n' >> /etc/authd/credentials/open.toml
    printf '[[allow]]\\nunit = "elsewhere.service"\\n' >> /etc/authd/credentials/shut.toml
    authd reload > /dev/null
    for name in open shut; do authd trust $name --yes > /dev/null; done
    unset AUTHD_SOCKET
    authd helper install systemd > /dev/null; echo "helper: $?"
    mkdir /run/units/authd-credentials.service.d
    # The unit has a /tmp of its own: this Node and this checkout may be in the other.
    printf '[Service]\\nStandardError=append:/run/authd.log\\nBindReadOnlyPaths=${process.execPath} ${ROOT}\\n' > /run/units/authd-credentials.service.d/log.conf
    systemctl daemon-reload; systemctl start authd-credentials.socket; echo "socket: $?"
    echo "mode: $(stat -c '%a %U' /run/authd-credentials.sock)"
    client() {
      printf '[Service]\\nType=oneshot\\nDynamicUser=yes\\nLoadCredential=%s:/run/authd-credentials.sock\\nStandardOutput=truncate:/run/said\\nExecStart=/usr/bin/cat \${CREDENTIALS_DIRECTORY}/%s\\n' \\
        $1 $1 > /run/units/client-$1.service
      systemctl daemon-reload; systemctl start client-$1.service; echo "client: $?"; cat /run/said; echo .; }
    echo "open: $(client open)"
    echo "shut: $(client shut)"
    cat /run/authd.log
    systemctl disable --now authd-credentials.socket 2> /dev/null
    authd helper uninstall systemd > /dev/null; echo "uninstalled: $?"
    echo "left: $(ls /etc/systemd/system | grep -c credentials)"`,
  );
  if (!ended) return;
  const { stdout, stderr } = ended;
  const says = (line: string | RegExp) =>
    t.regex(stdout, line instanceof RegExp ? line : new RegExp(`^${line}$`, "m"), stdout + stderr);
  says("installed: 0");
  says("helper: 0");
  says("mode: 600 root");
  says(/^open: client: 0\na-token\.$/m);
  // The protocol has no word for a failure: the unit starts, and its credential is empty.
  says(/^shut: client: 0\n\.$/m);
  says("client-open.service: open: handed out");
  says(/^client-shut\.service: shut: nothing handed out: shut: .*no \[\[allow\]\] rule names it/m);
  says("uninstalled: 0");
  says("left: 0");
  says("script is through");
  t.notRegex(stdout, /^never/m);
});
