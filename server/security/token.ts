import { randomBytes } from "node:crypto";
import { mkdir, open, readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { bearer } from "../../protocols/wire/entry.ts";
import { ConfigurationError } from "../failure.ts";
import { isLoopback, parseUrl } from "./guard.ts";

/** Kept from session to session, so that displays which were let in once need not be again. */
export const ownTokenFile = join(homedir(), ".latentloop", "token");

const TOKEN = /^[\w-]{32,}$/;

/**
 * The token for a server on `host`, or null on the loopback. A file that is not there is made, readable by its owner alone.
 *
 * @throws ConfigurationError where the file can't be read or made, or holds no token
 */
export async function tokenFor(host: string, file = ownTokenFile): Promise<string | null> {
  if (isLoopback(host)) return null;
  await mkdir(dirname(file), { recursive: true, mode: 0o700 }).catch(() => {});
  const made = await open(file, "wx", 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "EEXIST") return null;
    throw new ConfigurationError(`--token-file ${file}: expected a file to keep the token in, ${error.message}`);
  });
  if (made === null) return readToken(file);
  const token = randomBytes(32).toString("base64url");
  await made.writeFile(`${token}\n`);
  await made.close();
  return token;
}

/** @throws ConfigurationError where the file can't be read or holds no token */
export async function readToken(file: string): Promise<string> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new ConfigurationError(`--token-file ${file}: expected a readable file, ${error.message}`);
  });
  // What it holds is not repeated: it may be a token all the same.
  if (!TOKEN.test(text.trim()))
    throw new ConfigurationError(
      `--token-file ${file}: expected at least 32 letters, digits, - or _ and nothing else, got other content`,
    );
  return text.trim();
}

/** What a client shows a server at `url`: the token of the file it was given, or the user's own if the server is on this machine. */
export async function credentials(url: string, file: string | undefined): Promise<{ Authorization?: string }> {
  const host = parseUrl(url)?.hostname.replace(/^\[|\]$/g, "") ?? "";
  if (file !== undefined) return bearer(await readToken(file));
  if (!isLoopback(host)) return {};
  const token = await readToken(ownTokenFile).catch(() => null);
  return token === null ? {} : bearer(token);
}
