import { basename } from "node:path";

/** Programs that run whatever they are told to; versions such as python3.12 are theirs, too. */
const INTERPRETERS = new RegExp(
  `^(${[
    "(ba|da|z|k|mk|pdk|tc|c|fi|a|x|o|el)?sh|nu|nushell|pwsh|powershell|busybox|toybox|cmd",
    "node|nodejs|deno|bun|qjs|electron|osascript",
    "python|pypy|perl|ruby|irb|php(-cgi|-fpm|-cli)?|lua|luajit|tclsh|wish|expect|guile|racket|r|rscript|julia",
    "java|javaw|dotnet|mono|scala|groovy|erl|beam(\\.smp)?|elixir|ghci|runghc|ocaml|sbcl|emacs|vim?|nvim|gdb|lldb|awk|gawk|mawk",
    "env|xargs|nohup|timeout|nice|setsid|stdbuf|strace|ltrace|sudo|doas|su|make|ld(-linux.*|\\.so.*)?",
    "curl|wget|socat|nc|ncat|netcat(-openbsd|-traditional)?|nc\\.(openbsd|traditional)|ssh|authd",
  ].join("|")})[-.]?[\\d.]*(\\.exe)?$`,
  "i",
);

/**
 * Whether a program does whatever its arguments or its script say (a shell, node, python, a loader, a
 * tool that passes bytes on): that it asks says nothing about who wanted it.
 */
export function isInterpreter(executable: string): boolean {
  return INTERPRETERS.test(basename(executable));
}
