/** A mistake in what the user gave (file, option, model, port): told in one line, exit code 2. */
export class ConfigurationError extends Error {
  override name = "ConfigurationError";
}
