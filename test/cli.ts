import { spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../dist/server/main.js", import.meta.url));

export interface Finished {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Running {
  /** Resolves with the first match on stderr. */
  says(pattern: RegExp): Promise<RegExpMatchArray>;
  signal(name: NodeJS.Signals): void;
  pid: number | undefined;
  finished: Promise<Finished>;
}

/** Starts the compiled command line as a user would. */
export const start = (...args: string[]): Running => startAs({}, ...args);

/** The same, as another user. */
export function startAs(user: { uid?: number; gid?: number }, ...args: string[]): Running {
  const child = spawn(process.execPath, [main, ...args], { ...user, stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  const waiting: { pattern: RegExp; resolve(match: RegExpMatchArray): void }[] = [];
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
    for (const { pattern, resolve } of waiting) {
      const match = stderr.match(pattern);
      if (match) resolve(match);
    }
  });
  const finished = new Promise<Finished>((resolve) => {
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
  return {
    says: (pattern) =>
      Promise.race([
        new Promise<RegExpMatchArray>((resolve) => {
          const match = stderr.match(pattern);
          if (match) resolve(match);
          waiting.push({ pattern, resolve });
        }),
        finished.then(() => {
          const match = stderr.match(pattern);
          if (match) return match;
          throw new Error(`expected ${pattern} on stderr, got:\n${stderr}`);
        }),
      ]),
    signal: (name) => void child.kill(name),
    pid: child.pid,
    finished,
  };
}

export const temporaryFolder = () => mkdtempSync(join(tmpdir(), "latentloop-"));

/** Options that keep sessions of tests out of one another's way. */
export const anyPorts = ["--port", "0", "--events", "tcp://127.0.0.1:*"];

/** A whole experiment of few units, as text; `rest`: further lines of YAML. */
export const smallExperiment = (name: string, trials: number, simulation: string, rest = ""): string =>
  [
    `name: ${name}`,
    `trials: ${trials}`,
    "model: faces-64",
    "latents: 12",
    "stimulus: { onMs: 200, gapMs: 50, background: 0.5 }",
    "response: { latencyMs: 80, windowMs: 200 }",
    "choice: { objective: variance, lookahead: 3, range: 3 }",
    `simulation: ${simulation}`,
    rest,
  ].join("\n");
