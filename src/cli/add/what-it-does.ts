/** What a configuration of somebody else's has authd do, for the person who adds it. */
import { painter, plain } from "../style.ts";

/** What is read as the subject token, and the addresses that are sent it, or what it brings. */
export interface Exchange {
  /** For a person. */
  reads: string;
  sends: readonly string[];
}

/** Returns lines; the last ones warn of hosts that are not Google's. */
export function whatItDoes(name: string, { reads, sends }: Exchange): string[] {
  const paint = painter(process.stderr);
  const origins = [...new Set(sends.map((url) => new URL(url).origin))];
  const row = (label: string, value: string) =>
    `  ${paint("dim", label.padEnd(8))} ${plain(value)}`;
  const warnings = origins
    .filter((origin) => !new URL(origin).hostname.endsWith(".googleapis.com"))
    .map((origin) => `${paint("yellow", "warning:")} ${origin} is not one of *.googleapis.com`);
  return [
    `${paint("bold", plain(name))}:`,
    row("reads", reads),
    row("sent to", origins.join(", ")),
    ...warnings,
  ];
}

/** Says where a subject token comes from; of an address not its query, which may hold a secret. */
export function whatIsRead(subject: Readonly<Record<string, unknown>>): string {
  const { file, url, exec, aws } = subject as Partial<{
    file: string;
    url: string;
    exec: string[];
    aws: { url?: string };
  }>;
  if (file !== undefined) return `the file ${file}`;
  if (url !== undefined) return `what ${withoutQuery(url)} answers`;
  if (exec !== undefined) return `what a program prints: ${exec.join(" ")}`;
  return `a request signed with the keys of this instance of AWS${aws?.url ? ` (${aws.url})` : ""}`;
}

function withoutQuery(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}
