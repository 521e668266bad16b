import type { Command } from "commander";

/** Exports of a command's file: `define` adds arguments, options and an action to a bare command. */
export interface CommandModule {
  define(command: Command): void | Promise<void>;
  /** Lines that a person can type as they are. */
  examples?: readonly string[];
}
