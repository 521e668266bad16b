import test from "ava";
import { type Handler, startApi } from "../helpers/api.ts";
import { withUserManager } from "../helpers/user-manager.ts";

const issuerAndApi: Handler = ({ url, headers }, response) => {
  response.setHeader("content-type", "application/json");
  if (url === "/token")
    return response.end(`{"access_token":"made-up","token_type":"bearer","expires_in":3600}`);
  return response.end(JSON.stringify({ authorization: headers.authorization }));
};

test("an installed service does all its work under the restrictions of its unit", async (t) => {
  const { port } = await startApi(t, issuerAndApi);
  // By name, so that a resolver runs under the filter too.
  const origin = `http://localhost:${port}`;
  const ended = await withUserManager(
    t,
    `
    authd service install; echo "installed: $?"
    echo "state: $(property ActiveState), in its filter: $(
      sed -n 's/^Seccomp:[^0-9]*//p' /proc/$(property MainPID)/status)"
    echo "core: $(grep 'core file' /proc/$(property MainPID)/limits | tr -s ' ')"
    echo '{"client_secret":"none"}' | authd add demo --grant client_credentials \\
      --set token_url=${origin}/token --set client_id=x --set origins=${origin} --secrets-from -
    echo "token: $(authd get demo)"
    echo "request: $(authd request demo ${origin}/)"
    echo "reload: $(systemctl --user reload authd.service && property ActiveState)"
    authd service install; echo "installed again: $?"
    echo "token: $(authd get demo)"
    systemctl --user stop authd.service; echo "stopped: $(property Result)"
    echo "token through the socket alone: $(authd get demo)"
    authd service status; echo "status: $?"
    authd service uninstall; echo "uninstalled: $?"
    echo "left: $(ls -A ~/.config/systemd/user)"`,
  );
  if (!ended) return;
  const { stdout, stderr } = ended;
  const says = (line: string | RegExp) =>
    t.regex(stdout, line instanceof RegExp ? line : new RegExp(`^${line}$`, "m"), stderr);
  says("manager is up");
  says("authd is running, and starts by itself from now on.");
  says(/To keep it always: loginctl enable-linger tester/);
  says("installed: 0");
  says("state: active, in its filter: 2");
  says("core: Max core file size 0 0 bytes ?");
  says("token: made-up");
  says('request: {"authorization":"Bearer made-up"}');
  says("reload: active");
  says("installed again: 0");
  says("stopped: success");
  says("token through the socket alone: made-up");
  says("running: +yes");
  says("status: 0");
  says("uninstalled: 0");
  says("left: ");
  return t.notRegex(stdout, /^never/m);
});

test("the watchdog restarts a daemon that hangs, and only that one", async (t) => {
  const ended = await withUserManager(
    t,
    `
    authd service install
    mkdir -p ~/.config/systemd/user/authd.service.d
    printf '[Service]\\nWatchdogSec=3s\\n' > ~/.config/systemd/user/authd.service.d/test.conf
    systemctl --user daemon-reload
    systemctl --user restart authd.service
    sleep 4; echo "after 4 s: $(property NRestarts) restarts"
    kill -STOP $(property MainPID)
    pause_until '[ "$(property NRestarts)" = 1 ]'
    pause_until '[ "$(property ActiveState)" = active ]'
    authd status > /dev/null; echo "status: $?"`,
  );
  if (!ended) return;
  const { stdout, stderr } = ended;
  t.regex(stdout, /^after 4 s: 0 restarts$/m, stderr);
  t.regex(stdout, /^status: 0$/m, stderr);
  return t.notRegex(stdout, /^never/m);
});

test("a rule on a systemd unit holds inside the hardened unit of the daemon", async (t) => {
  const ended = await withUserManager(
    t,
    `
    authd service install > /dev/null
    add() { authd add "$1" --grant static --set origins=http://127.0.0.1:9 --secrets-from - <<< '{"token":"made-up"}'; }
    mkdir -p ~/.config/authd/credentials
    printf '[defaults]\\n[[defaults.allow]]\\nname = "nightly"\\nunit = "backup.service"\\n' > ~/.config/authd/config.toml
    chmod 700 ~/.config/authd ~/.config/authd/credentials; chmod 600 ~/.config/authd/config.toml
    authd reload; add demo
    echo "from the shell: $(authd get demo 2>&1); $?"
    in_unit() {
      printf '[Service]\\nType=oneshot\\nStandardOutput=truncate:%%h/said\\nStandardError=inherit\\nExecStart=/run/node /run/authd/dist/src/main.js get demo\\n' \\
        > ~/.config/systemd/user/$1
      systemctl --user daemon-reload; systemctl --user start $1 2>/dev/null; cat ~/said; }
    echo "from its unit: $(in_unit backup.service)"
    echo "from another: $(in_unit editor.service)"`,
  );
  if (!ended) return;
  const { stdout, stderr } = ended;
  t.regex(stdout, /^from its unit: made-up$/m, stdout + stderr);
  t.regex(stdout, /^from another: .*no \[\[allow\]\] rule matches/m, stdout);
  return t.regex(stdout, /^from the shell: .*no \[\[allow\]\] rule matches/m, stdout);
});
