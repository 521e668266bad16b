import type { Command } from "commander";
import { print } from "./output.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;
type Shell = (typeof SHELLS)[number];

export async function define(command: Command): Promise<void> {
  const { Argument } = await import("commander");
  command
    .addArgument(new Argument("<shell>", "your shell").choices(SHELLS))
    .action((shell: Shell) => print(SCRIPTS[shell]));
}

export const examples = [
  "source <(authd completion bash)     in ~/.bashrc",
  "source <(authd completion zsh)      in ~/.zshrc",
  "authd completion fish | source      in ~/.config/fish/config.fish",
];

/**
 * All three ask `authd __complete WORD…` (the words after "authd", up to the cursor) for candidates:
 * one a line, "word<tab>description"; exit code 1 means that file names belong here.
 */
const SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: `# authd's completion for bash: source <(authd completion bash)
_authd() {
  local words typed current="\${COMP_WORDS[COMP_CWORD]}" out line
  COMPREPLY=()
  # COMP_WORDS is broken at ":" and "=" too; authd wants the words as they were typed.
  read -ra words <<< "\${COMP_LINE:0:COMP_POINT}"
  [[ "\${COMP_LINE:0:COMP_POINT}" == *[[:space:]] ]] && words+=("")
  typed="\${words[\${#words[@]}-1]}"
  [[ "$current" == [:=] ]] && current=""
  # A key of --set goes on with its value.
  compopt +o nospace 2>/dev/null
  if out=$("\${words[0]}" __complete "\${words[@]:1}" 2>/dev/null); then
    while IFS= read -r line; do
      line="\${line%%$'\\t'*}"
      [[ -n "$line" ]] && COMPREPLY+=("\${line#"\${typed%"$current"}"}")
    done <<< "$out"
    [[ \${#COMPREPLY[@]} -eq 1 && "\${COMPREPLY[0]}" == *= ]] && compopt -o nospace 2>/dev/null
  else
    compopt -o filenames 2>/dev/null
    while IFS= read -r line; do
      [[ -n "$line" ]] && COMPREPLY+=("$line")
    done <<< "$(compgen -f -- "\${typed#@}")"
  fi
}
complete -F _authd authd`,

  zsh: `#compdef authd
# authd's completion for zsh: source <(authd completion zsh), or a file _authd in $fpath
_authd() {
  local out line
  local -a candidates keys
  if out=$("\${(Q)words[1]}" __complete "\${(@Q)words[2,CURRENT]}" 2>/dev/null); then
    for line in "\${(@f)out}"; do
      [[ -n $line ]] || continue
      if [[ $line == *=$'\\t'* || $line == *= ]]; then
        keys+=("\${\${line//:/\\\\:}/$'\\t'/:}")
      else
        candidates+=("\${\${line//:/\\\\:}/$'\\t'/:}")
      fi
    done
    _describe authd candidates -- keys -S ''
  else
    _files
  fi
}
if [[ $funcstack[1] == _authd ]]; then
  _authd "$@"
else
  (( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i }
  compdef _authd authd
fi`,

  fish: `# authd's completion for fish: authd completion fish | source
function __authd_complete
    set -l words (commandline -opc) (commandline -ct)
    authd __complete $words[2..-1] 2>/dev/null
    or __fish_complete_path (commandline -ct)
end
complete -c authd -f -a '(__authd_complete)'`,
};
