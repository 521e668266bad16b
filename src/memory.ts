import { setFlagsFromString } from "node:v8";

/**
 * Keeps an idle daemon small; to be called before anything else is loaded. Its young objects die
 * young, so more room for them would only be resident memory; and nothing that runs once, at start,
 * is worth V8's optimizing compiler, whose own code takes 4 MB when it is used.
 */
export function startSmall(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
  setFlagsFromString("--no-opt");
}

/** From now on what runs often is optimized. */
export function allowOptimizing(): void {
  setFlagsFromString("--opt");
}
