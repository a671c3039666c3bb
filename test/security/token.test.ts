import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ConfigurationError } from "../../server/failure.ts";
import { credentials, readToken, tokenFor } from "../../server/security/token.ts";
import { testFolder } from "../presentation/rig.ts";

test("N1: the loopback needs no token and makes no file", async () => {
  const file = join(testFolder(), "token");
  for (const host of ["127.0.0.1", "::1", "localhost"]) expect(await tokenFor(host, file)).toBeNull();
  expect(() => statSync(file)).toThrow();
});

test("N4: a token is made once, of 256 random bits, and only its owner reads it", async () => {
  const file = join(testFolder(), "kept", "token");
  const token = await tokenFor("0.0.0.0", file);
  expect(Buffer.from(token!, "base64url")).toHaveLength(32);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(await tokenFor("192.168.1.5", file)).toBe(token);
  expect(await tokenFor("0.0.0.0", join(testFolder(), "token"))).not.toBe(token);
  expect(readFileSync(file, "utf8").trim()).toBe(token);
});

test("N4: a file that holds no token is refused, and not repeated", async () => {
  const file = join(testFolder(), "token");
  writeFileSync(file, "hunter2");
  const error = await readToken(file).catch((caught: Error) => caught);
  expect(error).toBeInstanceOf(ConfigurationError);
  expect((error as Error).message).not.toContain("hunter2");
  chmodSync(file, 0o600);
  await expect(readToken(join(file, "below"))).rejects.toThrow("expected a readable file");
});

test("N4: a token that was not given by name goes to no other machine", async () => {
  expect(await credentials("ws://rig-pc:8470/operator", undefined)).toEqual({});
  const file = join(testFolder(), "token");
  const token = await tokenFor("0.0.0.0", file);
  expect(await credentials("ws://rig-pc:8470/operator", file)).toEqual({ Authorization: `Bearer ${token}` });
});
