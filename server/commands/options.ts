import { ConfigurationError } from "../failure.ts";

/** A parser for a command's numeric option; throws ConfigurationError naming the option, the range and what arrived. */
export function numberOption(
  option: string,
  { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY, whole = false },
) {
  return (text: string): number => {
    const value = Number(text);
    if (
      text.trim() === "" ||
      !Number.isFinite(value) ||
      value < min ||
      value > max ||
      (whole && !Number.isInteger(value))
    ) {
      const range = `${Number.isFinite(min) ? ` from ${min}` : ""}${Number.isFinite(max) ? ` to ${max}` : ""}`;
      throw new ConfigurationError(
        `${option}: expected ${whole ? "a whole number" : "a number"}${range}, got "${text}"`,
      );
    }
    return value;
  };
}
