import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** `redis-server` or `valkey-server`, whichever is installed; null where neither is. */
export const redisServer: string | null =
  ["redis-server", "valkey-server"].find((name) => spawnSync(name, ["--version"]).status === 0) ?? null;

/** A real Redis on a port of its own, with nothing in it, gone after `dispose`. */
export async function openRedis() {
  const folder = await mkdtemp(join(tmpdir(), "latentloop-redis-"));
  const port = await freePort();
  let child: ChildProcess;
  const begin = async () => {
    child = spawn(redisServer!, ["--port", `${port}`, "--bind", "127.0.0.1", "--dir", folder, "--save", ""], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await new Promise<void>((resolve, reject) => {
      child.once("exit", (code) => reject(new Error(`${redisServer} ended with code ${code}`)));
      child.stdout!.on("data", (text) => {
        if (/Ready to accept connections/.test(`${text}`)) resolve();
      });
    });
  };
  const end = async () => {
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  };
  await begin();
  return {
    address: `redis://127.0.0.1:${port}`,
    /** Kills it; what it held is lost, and it begins anew. */
    async restart() {
      await end();
      await begin();
    },
    async dispose() {
      await end();
      await rm(folder, { recursive: true });
    },
  };
}

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
