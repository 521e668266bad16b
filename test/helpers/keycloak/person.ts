/** A person at Keycloak's own pages. */
import type { Tab } from "../chromium.ts";
import type { Realm } from "./realm.ts";

const SUBMIT = "[type=submit]";

const shown = (selector: string) => `!!document.querySelector('${selector}')`;

/** Enters name and password. */
export async function enterPassword(tab: Tab, { person }: Realm): Promise<void> {
  await tab.until(shown("[name=username]"));
  await tab.submit(person, SUBMIT);
}

/** Answers the page that asks whether a client may do what it wants. */
export async function consent(tab: Tab, answer: "accept" | "cancel"): Promise<void> {
  await tab.until(shown(`[name=${answer}]`));
  await tab.submit({}, `[name=${answer}]`);
}

/** Enters the code of a device. */
export async function enterUserCode(tab: Tab, code: string): Promise<void> {
  await tab.until(shown("[name=device_user_code]"));
  await tab.submit({ device_user_code: code }, SUBMIT);
}
