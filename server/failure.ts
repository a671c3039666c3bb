/** A mistake in what the user gave (file, option, model, port): told in one line, exit code 2. */
export class ConfigurationError extends Error {
  override name = "ConfigurationError";
}

/** Something outside this process that a session can't go on without has gone: told in one line, exit code 1. */
export class LostEdgeError extends Error {
  override name = "LostEdgeError";
}
