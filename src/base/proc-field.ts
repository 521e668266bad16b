/**
 * Returns the value of a field of proc(5) in the form `Name:\tvalue`, such as in /proc/PID/status; undefined if it is
 * not there. A line ends with \n only: a process's name, which it chooses itself, may hold any other line break.
 */
export function procField(text: string, name: string): string | undefined {
  const start = `${name}:`;
  const line = text.split("\n").find((one) => one.startsWith(start));
  return line?.slice(start.length).trim();
}
