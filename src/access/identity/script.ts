/**
 * Returns the first argument that is no option, of an interpreter; `words` are those of the command line. A
 * process can write them itself.
 */
export function scriptIn(executable: string, [, ...args]: readonly string[]): string | undefined {
  const at = args.findIndex((arg) => arg !== "" && !arg.startsWith("-"));
  const script = args[at];
  if (script === undefined || script.length > 4096) return undefined;
  // For node and perl, -e is followed by the program itself; for a shell it is an ordinary option.
  const inline = executable.endsWith("sh") ? /^-\w*c$/ : /^(-\w*[ceEp]|--eval|--print)$/;
  return at > 0 && inline.test(args[at - 1]!) ? undefined : script;
}
