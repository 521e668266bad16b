import { basename } from "node:path";

/** Programs that run whatever they are told to; versions such as python3.12 are theirs, too. */
const INTERPRETERS = new RegExp(
  `^(${[
    "(ba|da|z|k|lk|mk|pdk|tc|c|fi|a|x|o|el|r|ya|pos)?sh|elvish|nu|nushell|pwsh|powershell|busybox|toybox|cmd",
    "node|nodejs|deno|bun|qjs|electron|osascript|npm|npx|yarn|pnpm",
    "python|pypy|uv|uvx|pipx|perl|ruby|irb|php(-cgi|-fpm|-cli)?|lua|luajit|tclsh|wish|expect|guile|racket|r|rscript|julia|raku|octave(-cli|-gui)?|gjs(-console)?|jshell|jrunscript",
    "java|javaw|dotnet|mono|scala|groovy|erl|beam(\\.smp)?|elixir|ghci|runghc|ocaml|sbcl|emacs(-\\w+)?|vim?(\\.\\w+)?|nvim|ed|sed|m4|gdb(server)?|lldb|rr|perf|awk|gawk|mawk",
    "env|xargs|find|parallel|watch|entr|nohup|timeout|nice|ionice|setsid|stdbuf|script|unbuffer|strace|ltrace|sudo|doas|su|pkexec|runuser|setpriv|flock|taskset|chrt|time|prlimit|setarch|capsh|run-parts|start-stop-daemon|dbus-run-session|numactl",
    "chroot|unshare|nsenter|bwrap|firejail|proot|flatpak|runc|crun|docker|podman|tini|dumb-init|init|systemd|systemd-run|cron|crond|atd",
    "screen|tmux|less|more|man|git|make|ninja|cargo|tar|rsync|sqlite3|psql|mysql",
    "ld(-(linux|musl).*|\\.so.*)?|libc\\.musl.*|qemu-.*|wine(64)?(-preloader)?|valgrind|memcheck-.*",
    "curl|wget|socat|nc|ncat|netcat(-openbsd|-traditional)?|nc\\.(openbsd|traditional)|ssh|authd",
  ].join("|")})[-.]?[\\d.]*[a-z]?(-(dbg|debug|static|\\w+-linux-\\w+))?(\\.static|\\.exe)?$`,
  "i",
);

/** Those of Windows; elsewhere other programs have these names, without the ending. */
const WINDOWS_INTERPRETERS =
  /^(wscript|cscript|mshta|rundll32|regsvr32|msbuild|pyw?|pythonw|wsl|conhost|openconsole|windowsterminal|wt|forfiles|schtasks)(\.exe)?$/i;

/**
 * True for a program that does whatever its arguments or its script say (a shell, node, python, a loader,
 * a tool that passes bytes on): a request of it does not tell who wanted it.
 */
export function isInterpreter(executable: string, platform = process.platform): boolean {
  const name = basename(executable);
  return INTERPRETERS.test(name) || isOfWindows(name, WINDOWS_INTERPRETERS, platform);
}

function isOfWindows(name: string, names: RegExp, platform: NodeJS.Platform): boolean {
  return names.test(name) && (platform === "win32" || /\.exe$/i.test(name));
}

/**
 * Texts in the files of interpreters, by which one is recognized under any name: all of a row occur. For
 * shells, Python, Node, Perl, Ruby, Lua, PHP, Tcl, Guile, Java, .NET, BusyBox, Vim, Emacs and loaders.
 */
export const INTERPRETER_MARKS: readonly (readonly string[])[] = [
  ["OPTIND", "CDPATH"],
  ["fish_function_path"],
  ["Py_BytesMain"],
  ["PYTHONSTARTUP"],
  ["NODE_REPL_EXTERNAL_MODULE"],
  ["PERL5OPT"],
  ["perl_parse"],
  ["ruby_run_node"],
  ["LUA_INIT"],
  ["PHP_INI_SCAN_DIR"],
  ["Tcl_MainEx"],
  ["scm_shell"],
  ["JLI_Launch"],
  ["hostfxr_main"],
  ["BusyBox v"],
  ["VIMRUNTIME"],
  ["EMACSLOADPATH"],
  ["LD_TRACE_LOADED_OBJECTS"],
];

/** Programs that start everybody's programs: such a parent says nothing about its children. */
const LAUNCHERS =
  /^(systemd|init|launchd|runit|runsv|s6-\w+|openrc|supervisord|tini|dumb-init|docker-init|catatonit|crond?|atd|anacron|login|sshd(-session)?|tmux.*|screen|at-spi.*|dbus-daemon|dbus-broker|gnome-shell|plasmashell|kwin_\w+|xdg-.*)[-.]?[\d.]*(\.exe)?$/i;

const WINDOWS_LAUNCHERS =
  /^(explorer|services|svchost|sihost|taskhostw|userinit|winlogon)(\.exe)?$/i;

/**
 * True for a process that starts everybody's programs: an orphaned program, or one with such a parent,
 * shares it with all others.
 */
export function isLauncher(
  { pid, executable, name }: { pid: number; executable: string | undefined; name: string },
  platform: NodeJS.Platform = process.platform,
): boolean {
  const called = basename(executable ?? name);
  return pid === 1 || LAUNCHERS.test(called) || isOfWindows(called, WINDOWS_LAUNCHERS, platform);
}
