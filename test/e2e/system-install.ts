/** `authd service … --system` on a real systemd, used by real users, and undone. */
import test from "ava";
import { startApi } from "../helpers/api.ts";
import { PEOPLE, withSystemManager } from "../helpers/system-manager.ts";

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
    authd reload > /dev/null; authd trust demo --yes > /dev/null
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
    echo "accounts: $(getent passwd authd; getent group authd authd-clients)"
    printf '%s\\n' '#!/bin/sh' 'exit 1' > /run/bin/systemd-creds; chmod 755 /run/bin/systemd-creds
    key() { authd status --json | grep -o '"vaultKey": *"[^"]*"'; }
    authd service install --system </dev/null > /dev/null; echo "unsealed: $?, $(key)"
    rm /run/bin/systemd-creds
    authd service install --system </dev/null > /dev/null; echo "still: $?, $(key)"
    authd service uninstall --system --purge --yes > /dev/null
    authd service install --system </dev/null > /dev/null; echo "sealed: $?, $(key)"
    rm /etc/credstore.encrypted/authd-vault-key
    authd service install --system </dev/null; echo "without its key: $?"
    mkdir -p /run/theirs/bin; cp /run/bin/node /run/theirs/bin; chown -R alice /run/theirs
    /run/theirs/bin/node /run/checkout/dist/src/main.js service install --system </dev/null; echo "alice's Node: $?"`,
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
  says(/^unsealed: 0, "vaultKey": *"file"$/m);
  t.regex(stderr, /The vault's key can't be sealed for this machine/);
  says(/^still: 0, "vaultKey": *"file"$/m);
  says(/^sealed: 0, "vaultKey": *"systemd-credential"$/m);
  says("without its key: 1");
  t.regex(
    stderr,
    /is sealed with a key that should be in \/etc\/credstore.encrypted\/authd-vault-key/,
  );
  says("alice's Node: 1");
  says("script is through");
  t.regex(stderr, /Only root can install an authd for the whole machine: sudo authd service/);
  t.regex(stderr, /authd-system\.service was changed after authd wrote it; nothing was changed/);
  t.notRegex(stdout, /^never/m);
});

test("take-over moves a user's vault, all of it or nothing, and opens it to that user only", async (t) => {
  const ended = await withSystemManager(
    t,
    `
    ${PEOPLE}
    own() { SOCKET=/run/alice/s/authd.sock as alice "$@"; }
    serve() { own env AUTHD_VAULT_KEY=file authd serve 2>/dev/null &
      pause_until 'own authd status > /dev/null 2>&1'; }
    take_over() { AUTHD_SOCKET=/run/alice/s/authd.sock SUDO_USER=alice authd service install --system --take-over </dev/null; }
    take_over; echo "without a daemon: $?"
    serve
    add() { printf '{"token":"made-up-%s"}' $1 | own authd add $1 --grant static --secrets-from - > /dev/null; }
    add mine
    add second
    mkdir -p /etc/systemd/system/authd-system.service.d
    printf '[Service]\\nReadWritePaths=\\nReadOnlyPaths=/etc/authd\\n' > /etc/systemd/system/authd-system.service.d/no.conf
    take_over; echo "in the way: $?, $(AUTHD_SOCKET=/run/authd/authd.sock authd list 2>&1 | grep -c made-up)"
    echo "ended: $(own authd get mine 2>&1)"
    rm -r /etc/systemd/system/authd-system.service.d
    serve
    echo "has all it had: $(own authd get mine) $(own authd get second)"
    add ruled
    printf '[[allow]]\\nexecutable = "/usr/bin/id"\\n' >> /run/alice/.config/authd/credentials/ruled.toml
    own authd reload > /dev/null
    own authd trust ruled --yes > /dev/null
    AUTHD_SOCKET=/run/alice/s/authd.sock SUDO_USER=alice authd service install --system --let-in </dev/null
    echo "not by itself: $?, $(own authd get mine)"
    AUTHD_SOCKET=/run/authd/authd.sock authd list
    # Her daemon asks a person before it exports a guarded credential: one in a terminal of its own answers.
    printf '%s\\n' 'id=$(authd pending --json | grep -o "[\\"]id.: *[0-9]*" | grep -o "[0-9]*")' \\
      'authd approve $id --once' > /run/alice/answer.sh
    printf '%s\\n' '[Service]' Type=oneshot User=alice Environment=AUTHD_SOCKET=/run/alice/s/authd.sock \\
      Environment=PATH=/run/bin:/usr/bin:/bin 'ExecStart=/usr/bin/script -qec "bash /run/alice/answer.sh" /dev/null' \\
      > /run/units/person.service
    systemctl daemon-reload
    (pause_until 'own authd pending | grep -q vault/export'; systemctl start person.service) &
    take_over; echo "taken over: $?"
    echo "her own: $(own authd get mine 2>&1)"
    echo "here: $(as alice authd get mine) $(as alice authd get second)"
    usermod -aG authd-clients bob
    echo "bob: $(as bob authd get mine 2>&1)"
    echo "ruled by executable: $(as alice authd get ruled 2>&1)"
    serve
    take_over; echo "twice: $?"
    echo "her own goes on: $(own authd get mine 2>&1)"
    own authd stop`,
  );
  if (!ended) return;
  const { stdout, stderr } = ended;
  const says = (line: string | RegExp) =>
    t.regex(stdout, line instanceof RegExp ? line : new RegExp(`^${line}$`, "m"), stdout + stderr);
  says("without a daemon: 1");
  t.regex(stderr, /There is nothing to take over: no authd of alice answers/);
  says(/^in the way: [1-7], 0$/m);
  t.regex(stderr, /Nothing was taken over; alice's own authd was ended, and has all it had/);
  says(/^ended: .*No daemon answers/m);
  says("has all it had: made-up-mine made-up-second");
  says("not by itself: 0, made-up-mine");
  says(/alice's own authd keeps its 3 credentials\. To move them here:/);
  says("taken over: 0");
  says("Took over: mine, ruled, second");
  says(/^her own: .*No daemon answers/m);
  says("here: made-up-mine made-up-second");
  says(/^bob: .*no \[\[allow\]\] rule names it/m);
  says(/^ruled by executable: .*no \[\[allow\]\] rule names it/m);
  t.regex(stderr, /ruled: its rules were left as they are/);
  says("twice: 2");
  t.regex(stderr, /There is already mine, ruled, second here; nothing was taken over/);
  says("her own goes on: made-up-mine");
  says("script is through");
  t.notRegex(stdout, /^never/m);
});

test("take-over of a daemon that the user's systemd runs stops and disables it for good", async (t) => {
  const ended = await withSystemManager(
    t,
    `
    ${PEOPLE}
    runtime=/run/user/64011
    mkdir -p $runtime; chown alice:alice $runtime; chmod 700 $runtime
    printf '%s\\n' '[Service]' Type=notify User=alice Delegate=yes KillMode=mixed \\
      "Environment=XDG_RUNTIME_DIR=$runtime HOME=/run/alice PATH=/run/bin:/usr/bin:/bin" \\
      'ExecStart=/usr/lib/systemd/systemd --user --log-target=null' > /run/units/manager.service
    systemctl daemon-reload; systemctl start manager.service
    her() { setpriv --reuid=alice --regid=alice --init-groups --inh-caps=-all \\
      env -i PATH=$PATH HOME=/run/alice USER=alice XDG_RUNTIME_DIR=$runtime "$@"; }
    pause_until 'her systemctl --user is-system-running > /dev/null 2>&1'
    her authd service install > /dev/null; echo "her own: $?"
    her authd add mine --grant static --secrets-from - <<< '{"token":"made-up"}' > /dev/null
    # An edited unit is hers: it is not removed.
    echo '# mine' >> /run/alice/.config/systemd/user/authd.service
    her systemctl --user daemon-reload
    script -qefc 'stty cols 100 rows 24; SUDO_USER=alice authd service install --system' /run/typescript > /dev/null \\
      < <(pause_until 'grep -qs "Let alice use it" /run/typescript' >&2; printf y
          pause_until 'grep -qs "Take over the credential" /run/typescript' >&2; printf y; sleep 1)
    echo "taken over: $?"
    cat /run/typescript
    echo "here: $(as alice authd get mine)"
    state() { her systemctl --user $1 authd.socket authd.service 2>/dev/null | tr '\\n' ' '; }
    echo "enabled: $(her systemctl --user is-enabled authd.service), active: $(state is-active)"
    her authd get mine; echo "her own now: $?"
    systemctl restart manager.service
    pause_until 'her systemctl --user is-system-running > /dev/null 2>&1'
    echo "after another login: $(state is-active)"`,
  );
  if (!ended) return;
  const { stdout, stderr } = ended;
  const says = (line: string | RegExp) =>
    t.regex(stdout, line instanceof RegExp ? line : new RegExp(`^${line}$`, "m"), stdout + stderr);
  says("her own: 0");
  says("taken over: 0");
  says(/Let alice use it, by the group authd-clients\?/);
  says(/Took over: mine/);
  says(/alice's own service was stopped and disabled: no login starts it again\./);
  says("here: made-up");
  says(/^enabled: disabled, active: inactive inactive $/m);
  says("her own now: 3");
  says("after another login: inactive inactive ");
  says("script is through");
  t.notRegex(stdout, /^never/m);
});

test("what a user's programs ask is shown in that user's session, and answered there", async (t) => {
  const ended = await withSystemManager(
    t,
    `
    ${PEOPLE}
    authd service install --system --let-in --user alice </dev/null > /dev/null
    authd service install --system --let-in --user bob </dev/null > /dev/null
    export AUTHD_SOCKET=/run/authd/authd.sock
    authd add asks --grant static --set confirm=always --secrets-from - <<< '{"token":"made-up"}' > /dev/null
    printf '[[allow]]\nuser = "alice"\n[[allow]]\nuser = "bob"\n' >> /etc/authd/credentials/asks.toml
    authd reload > /dev/null; authd trust asks --yes > /dev/null
    printf '%s\\n' '#!/bin/sh' 'echo "$@" >> /run/alice/asked' 'echo "Yes, this once"' > /run/bin/zenity
    printf '%s\\n' '#!/bin/sh' 'echo "$@" >> /run/alice/noted' > /run/bin/notify-send
    chmod 755 /run/bin/zenity /run/bin/notify-send
    # Nobody has trusted these edits: that needs somebody, and alice hears of hers.
    for user in alice bob; do
      authd add of-$user --grant static --secrets-from - <<< '{"token":"made-up"}' > /dev/null
      printf '[[allow]]\\nuser = "%s"\\n' $user >> /etc/authd/credentials/of-$user.toml; done
    authd reload > /dev/null
    sed 's|^ExecStart=.*env |ExecStart=/run/bin/|; s|graphical-session|basic|; /Install/,$d' \\
      /run/checkout/systemd/authd-approve.service > /run/units/authd-approve.service
    printf '%s\\n' '[Service]' User=alice Group=alice SupplementaryGroups=authd-clients \\
      'Environment=DISPLAY=:9 PATH=/run/bin:/usr/bin:/bin' \\
      StandardOutput=append:/run/approver.log StandardError=inherit >> /run/units/authd-approve.service
    systemctl daemon-reload; systemctl start authd-approve.service
    pause_until 'grep -qs "as they come" /run/approver.log'
    echo "alice: $(as alice authd get asks 2>&1)"
    as bob authd get asks > /run/bob/got 2>&1 &
    pause_until 'authd pending | grep -q asks'
    echo "alice sees: $(as alice authd pending --json)"
    id=$(authd pending --json | grep -o '"id": *[0-9]*' | grep -o '[0-9]*')
    as alice authd approve $id --once; echo "alice for bob: $?"
    authd approve $id --deny > /dev/null; wait %1
    echo "bob: $(cat /run/bob/got)"
    echo "dialogs: $(grep -c 'asks asks for its token' /run/alice/asked)"
    sed -i '/^answer_own/d' /etc/authd/config.toml; authd reload > /dev/null
    as alice authd pending; echo "off: $?"
    echo "approver: $(cat /run/approver.log)"
    pause_until 'grep -qs of-alice /run/alice/noted'
    echo "noted: $(grep -c "of-alice needs you" /run/alice/noted), of others: $(grep -c of-bob /run/alice/noted)"`,
  );
  if (!ended) return;
  const { stdout, stderr } = ended;
  const says = (line: string | RegExp) =>
    t.regex(stdout, line instanceof RegExp ? line : new RegExp(`^${line}$`, "m"), stdout + stderr);
  says("alice: made-up");
  says(/^alice sees: \{\s*"approvals": *\[\]\s*\}$/m);
  says("alice for bob: 2");
  says(/^bob: .*a person said no/m);
  says(/^off: 6$/m);
  says("dialogs: 1");
  says("noted: 1, of others: 0");
  says("script is through");
  t.notRegex(stdout, /^never/m);
});
