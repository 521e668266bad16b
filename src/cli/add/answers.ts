import { whyUnfitSetting } from "../../config/config.ts";
import { knownPresets } from "../known-presets.ts";
import { askText, type Choice, choose } from "../prompts.ts";
import type { SettingsInput } from "../settings-input.ts";
import type { Kind } from "./kind.ts";

interface SettingQuestion {
  label: string;
  hint?: string | undefined;
  optional?: boolean;
  fallback?: string;
  /** Returns what the schema can't tell is wrong; undefined: nothing. */
  check?: (text: string) => string | undefined;
  /** Makes of the text what is stored. */
  read?: (text: string) => string | string[];
}

/**
 * The settings of a new credential while its person is asked for them. A key that has a value is not
 * asked for, unless `again`: then each question starts with the answer of before.
 */
export class Answers {
  readonly kind: Kind;
  readonly settings: SettingsInput;
  again = false;
  /** Questions asked since this was set to 0. */
  asked = 0;

  constructor(kind: Kind, settings: SettingsInput) {
    this.kind = kind;
    this.settings = settings;
  }

  /** True if `key`, or a key below it, has a value. */
  has(key: string): boolean {
    return Object.keys(this.settings).some((each) => each === key || each.startsWith(`${key}.`));
  }

  isOpen(key: string): boolean {
    return this.again || !this.has(key);
  }

  /** Asks for one key and stores the answer. An answer that its schema refuses is asked for again. */
  async ask(key: string, question: SettingQuestion): Promise<void> {
    if (!this.isOpen(key)) return;
    const { read = (text: string) => text, check, ...rest } = question;
    const initial = [this.settings[key] ?? []].flat().join(", ") || undefined;
    this.asked++;
    const answer = await askText({
      ...rest,
      initial,
      check: (text) => check?.(text) ?? this.whyUnfit(key, read(text)),
    });
    if (answer === undefined) delete this.settings[key];
    else this.settings[key] = read(answer);
  }

  /** Asks for one of a few values; "" stores none. */
  async choose(key: string, label: string, options: Choice[]): Promise<void> {
    if (!this.isOpen(key)) return;
    this.asked++;
    const answer = await choose(label, options);
    if (answer === "") delete this.settings[key];
    else this.settings[key] = answer;
  }

  whyUnfit(key: string, value: string | string[]): string | undefined {
    const allowInsecureHttp = this.settings.allow_insecure_http === "true";
    const presets = knownPresets();
    return whyUnfitSetting({ file: this.kind, key, value, allowInsecureHttp, presets });
  }
}
