/** First line of a connection to the host, which has a `key`, too. */
export type HostRequest =
  | { do: "live" }
  | {
      do: "run";
      command: string;
      args: readonly string[];
      env?: NodeJS.ProcessEnv | undefined;
      cwd?: string | undefined;
      /** The arguments are passed as they are: cmd.exe has quotes of its own. */
      verbatim?: boolean | undefined;
    }
  | { do: "connect"; pipe: string }
  | { do: "listen"; pipe: string; port: number };

/** Further lines to the host about a program; bytes are base64. */
export type ProgramInput = { stdin: string } | { end: true } | { kill: true };

/** Lines from the host about a program; bytes are base64. */
export type ProgramOutput =
  | { pid: number }
  | { stdout?: string; stderr?: string }
  | { exit: number | null }
  | { error: string };
