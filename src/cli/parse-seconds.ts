import { AuthdError } from "../errors.ts";

/** Parses an option in seconds: a number, not negative. */
export function seconds(option: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (value.trim() === "" || !Number.isFinite(number) || number < 0) {
    throw new AuthdError("invalid_params", `${option} takes a number of seconds, not "${value}"`);
  }
  return number;
}

/** Parses an option in seconds to whole milliseconds, between 1 and a day. */
export function milliseconds(option: string, value: string | undefined): number | undefined {
  const number = seconds(option, value);
  if (number === undefined) return undefined;
  const result = Math.round(number * 1000);
  if (result < 1 || result > 86_400_000) {
    throw new AuthdError("invalid_params", `${option} takes between 0.001 and 86400 seconds`);
  }
  return result;
}
