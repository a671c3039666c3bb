import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, rmSync, symlinkSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { expect, test } from "vitest";
import { anyPorts, temporaryFolder } from "../cli.ts";

test("a session whose pages were not built says so in the terminal", { timeout: 60_000 }, async () => {
  const root = temporaryFolder();
  for (const name of ["node_modules", "server", "protocols", "package.json"])
    symlinkSync(resolve(name), join(root, name));
  cpSync("dist", join(root, "dist"), { recursive: true, filter: (path) => basename(path) !== "client" });
  const args = ["run", "protocols/experiments/one-to-one.yaml", ...anyPorts, "--out", join(root, "sessions")];
  const child = spawn(process.execPath, [join(root, "dist/server/main.js"), ...args]);
  let said = "";
  child.stderr.on("data", (chunk) => {
    said += chunk;
  });
  try {
    await expect.poll(() => said).toContain("the pages of display and dashboard are not built");
  } finally {
    child.kill("SIGINT");
    await once(child, "close");
    rmSync(root, { recursive: true });
  }
});
