/**
 * Encryption of what goes over ZeroMQ between machines (CurveZMQ). All machines of a rig have one key file: who has it can connect,
 * read and send, and who has not can do neither.
 */
import { readFile, writeFile } from "node:fs/promises";
import { curveKeyPair, Router } from "zeromq";
import { z } from "zod";
import { describeIssues } from "../../protocols/wire/message.ts";
import { ConfigurationError } from "../failure.ts";

const z85 = z.string().regex(/^[0-9a-zA-Z.\-:+=^!/*?&<>()[\]{}@%$#]{40}$/, "expected 40 characters of Z85");
const keysSchema = z.strictObject({ publicKey: z85, secretKey: z85 });
export type Keys = z.infer<typeof keysSchema>;

/** Makes a key file, readable by its owner alone. Throws ConfigurationError where there is a file already or none can be made. */
export async function makeKeys(file: string): Promise<void> {
  await writeFile(file, `${JSON.stringify(curveKeyPair(), null, 2)}\n`, { flag: "wx", mode: 0o600 }).catch(
    (error: Error) => {
      throw new ConfigurationError(`keys ${file}: expected a place for a new file, ${error.message}`);
    },
  );
}

/** @throws ConfigurationError, without repeating what the file holds */
export async function readKeys(file: string): Promise<Keys> {
  const text = await readFile(file, "utf8").catch((error: Error) => {
    throw new ConfigurationError(`--keys ${file}: expected a readable file, ${error.message}`);
  });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ConfigurationError(`--keys ${file}: expected JSON as \`latentloop keys\` writes it, got other content`);
  }
  const parsed = keysSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const withoutValues = describeIssues(parsed.error, {}, "the file").replace(/, found [^;]*/g, "");
  throw new ConfigurationError(`--keys ${file}: ${withoutValues}`);
}

/** Options of a socket that others connect to; plain without keys. */
export const bindingWith = (keys: Keys | null) =>
  keys ? { curveServer: true, curveSecretKey: keys.secretKey, zapDomain: "latentloop" } : {};

/** Options of a socket that connects. */
export const connectingWith = (keys: Keys | null) =>
  keys ? { curvePublicKey: keys.publicKey, curveSecretKey: keys.secretKey, curveServerKey: keys.publicKey } : {};

const ADDRESS = "inproc://zeromq.zap.01";

/**
 * Lets those alone in that have the keys: ZeroMQ asks this handler (ZAP, RFC 27) of each client that knocks at a socket of this process
 * with `bindingWith`. Without it any client would do that knows the public key.
 */
export async function admitOnly({ publicKey }: Keys): Promise<{ dispose(): void }> {
  const handler = new Router();
  await handler.bind(ADDRESS);
  void (async () => {
    for await (const [asker, empty, version, request, , , , mechanism, shown] of handler) {
      const isKnown = String(mechanism) === "CURVE" && shown.equals(fromZ85(publicKey));
      const [code, words] = isKnown ? ["200", "OK"] : ["400", "another key"];
      await handler.send([asker, empty, version, request, code, words, "", ""]);
    }
  })().catch(() => {
    // Closed: whoever knocks now is not let in.
  });
  return { dispose: () => handler.close() };
}

const ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/** Four bytes for every five characters, the highest first (ZeroMQ RFC 32). */
function fromZ85(text: string): Buffer {
  const out = Buffer.alloc((text.length / 5) * 4);
  for (let at = 0; at < text.length; at += 5) {
    let word = 0;
    for (const character of text.slice(at, at + 5)) word = word * 85 + ALPHABET.indexOf(character);
    out.writeUInt32BE(word, (at / 5) * 4);
  }
  return out;
}
