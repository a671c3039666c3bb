import { isAbsolute, relative, resolve, sep } from "node:path";

/** Whether a path that is given relative to a folder leads to a place inside it. */
export function isInside(folder: string, path: string): boolean {
  if (isAbsolute(path)) return false;
  const way = relative(folder, resolve(folder, path));
  return way !== "" && way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}
