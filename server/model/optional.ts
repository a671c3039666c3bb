import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/** Imports an optional peer dependency: not known to the compiler, not there on a plain install. Throws where it isn't. */
export async function optional<T>(name: string): Promise<T> {
  try {
    require.resolve(name);
  } catch {
    throw new Error("not installed");
  }
  return (await import(name)) as T;
}
