import type { CredentialInfo, StatusResult } from "../../protocol.ts";
import { arrange, SORTS, type Sort } from "./arrange.ts";

/** A key as readline names it. */
export interface Key {
  name?: string | undefined;
  sequence?: string | undefined;
  ctrl?: boolean;
}

/** The one thing that a key asks to be done beside the screen. */
export type Action = "quit" | "renew" | "approve" | "story";

/** One credential, opened: what is said of it, line by line. */
export interface Story {
  name: string;
  lines: readonly string[];
}

/** Everything that `status --watch` shows, and what keys do to it. */
export class View {
  daemon: StatusResult | undefined;
  /** Questions that wait for a person. */
  questions = 0;
  /** Why there is nothing newer to show. */
  offline: string | undefined;
  /** The outcome of the last action, instead of the list of keys. */
  message: string | undefined;
  sort: Sort = "problems";
  filter = "";
  isTyping = false;
  story: Story | undefined;
  /** Index of the first line of the list or the story on the screen; `screen.ts` moves it. */
  top = 0;
  /** Lines of the list or the story on the screen. */
  page = 1;
  #credentials: readonly CredentialInfo[] = [];
  #arranged: readonly CredentialInfo[] = [];
  #selected: string | undefined;

  set credentials(credentials: readonly CredentialInfo[]) {
    this.#credentials = credentials;
    this.#arrange();
  }

  get credentials(): readonly CredentialInfo[] {
    return this.#credentials;
  }

  /** Credentials that the filter lets through, in their order. */
  get arranged(): readonly CredentialInfo[] {
    return this.#arranged;
  }

  /** Index in `arranged` of the credential that keys act on; -1 without any. */
  get selectedIndex(): number {
    const found = this.#arranged.findIndex(({ name }) => name === this.#selected);
    return found === -1 && this.#arranged.length > 0 ? 0 : found;
  }

  get selected(): CredentialInfo | undefined {
    return this.#arranged[this.selectedIndex];
  }

  /** Applies a key, and returns what is to be done beside the screen. */
  press(key: Key): Action | undefined {
    this.message = undefined;
    if (key.ctrl && key.name === "c") return "quit";
    if (this.isTyping) return this.#type(key);
    if (this.story) return this.#read(key);
    if (this.#move(key, (by) => this.#select(this.selectedIndex + by))) return undefined;
    return this.#command(key);
  }

  #command({ name, sequence }: Key): Action | undefined {
    if (name === "q") return "quit";
    if (name === "return") return "story";
    if (name === "r") return "renew";
    if (name === "a") return "approve";
    if (name === "s") {
      this.sort = SORTS[(SORTS.indexOf(this.sort) + 1) % SORTS.length]!;
      this.#arrange();
    }
    if (sequence === "/") this.isTyping = true;
    if (name === "escape") this.#setFilter("");
    return undefined;
  }

  #type({ name, sequence = "", ctrl }: Key): undefined {
    if (name === "return") this.isTyping = false;
    else if (name === "escape") {
      this.isTyping = false;
      this.#setFilter("");
    } else if (name === "backspace") this.#setFilter(this.filter.slice(0, -1));
    else if (!ctrl && /^[\x20-\x7e]$/.test(sequence)) this.#setFilter(this.filter + sequence);
  }

  #read(key: Key): Action | undefined {
    const lines = this.story?.lines.length ?? 0;
    const scroll = (by: number) => {
      this.top = Math.max(0, Math.min(lines - this.page, this.top + by));
    };
    if (this.#move(key, scroll)) return undefined;
    if (key.name === "r") return "renew";
    if (["q", "escape", "return", "backspace"].includes(key.name ?? "")) this.story = undefined;
    return undefined;
  }

  /** Calls `by` with the number of lines to go; false for a key that moves nothing. */
  #move({ name, sequence }: Key, by: (lines: number) => void): boolean {
    const lines: Record<string, number> = {
      up: -1,
      k: -1,
      down: 1,
      j: 1,
      pageup: -this.page,
      pagedown: this.page,
      space: this.page,
      home: Number.NEGATIVE_INFINITY,
      end: Number.POSITIVE_INFINITY,
    };
    const found = lines[name ?? ""] ?? (sequence === "G" ? lines.end : undefined);
    if (found === undefined) return false;
    by(found);
    return true;
  }

  #select(index: number): void {
    const last = this.#arranged.length - 1;
    this.#selected = this.#arranged[Math.max(0, Math.min(last, index))]?.name;
  }

  #setFilter(filter: string): void {
    this.filter = filter;
    this.#arrange();
  }

  #arrange(): void {
    this.#arranged = arrange(this.#credentials, this.sort, this.filter);
  }
}
