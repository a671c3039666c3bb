/** A dry run: `latentloop run` with the simulated rig, as a process of its own, started for a page. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import type { DryRun, DryRunRequest } from "../../protocols/wire/sessions.ts";
import { compiledModule } from "../package-root.ts";
import type { Network } from "../security/entry.ts";

export interface DryRunProcess {
  state(): DryRun;
  /** Resolves once its pages are there: null, or why they will not be. */
  started: Promise<string | null>;
  end(): void;
  /** Ends it and waits until it has. */
  dispose(): Promise<void>;
}

/** What a process says last is kept. */
const KEPT_CHARACTERS = 8000;
/** How long a session may take over its summary. */
const PATIENCE_MS = 20_000;

/**
 * @param path of the experiment file
 * @param out folder that the session's is made in
 * @param changed told whenever its state is another one
 */
export function startDryRun(
  request: DryRunRequest,
  path: string,
  out: string,
  { host, tokenFile, allowHost = [] }: Network,
  changed: () => void,
): DryRunProcess {
  const { trials, seed, rigFormat, display, hold } = request;
  const child = spawn(
    process.execPath,
    [
      fileURLToPath(compiledModule("server/main.js")),
      ...["run", path, "--rig", "sim", "--rig-format", rigFormat, "--display", display],
      ...["--trials", String(trials), "--seed", String(seed), "--out", out],
      ...["--events", "tcp://127.0.0.1:*", "--port", "0", "--host", host],
      ...(tokenFile === undefined ? [] : ["--token-file", tokenFile]),
      ...(allowHost.length > 0 ? ["--allow-host", ...allowHost] : []),
      ...(hold ? ["--hold"] : []),
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let state: DryRun = {
    experiment: request.experiment,
    phase: "starting",
    port: null,
    session: null,
    hasDisplay: display === "browser",
    failure: null,
  };
  const become = (next: Partial<DryRun>) => {
    state = { ...state, ...next };
    changed();
  };

  let said = "";
  const closed = once(child, "close");
  const started = new Promise<string | null>((resolve) => {
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-KEPT_CHARACTERS);
      if (state.phase !== "starting") return;
      // What run prints for people; the session's folder comes first.
      const port = /^dashboard: http:\/\/\S+?:(\d+)\//m.exec(said)?.[1];
      if (port === undefined) return;
      const session = /^session (.+)$/m.exec(said)?.[1];
      become({ phase: "running", port: Number(port), session: session === undefined ? null : basename(session) });
      resolve(null);
    });
    closed.then(
      ([code, signal]: (number | string | null)[]) => {
        const failure = code === 0 ? null : failureOf(said, signal);
        become({ phase: failure === null ? "ended" : "failed", port: null, failure });
        resolve(failure ?? "it ended before its pages were there");
      },
      (error: Error) => {
        become({ phase: "failed", port: null, failure: error.message });
        resolve(error.message);
      },
    );
  });

  const end = () => void child.kill("SIGINT");
  return {
    state: () => state,
    started,
    end,
    async dispose() {
      end();
      const cut = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS);
      await closed.catch(() => {});
      clearTimeout(cut);
    },
  };
}

/** The sentence that a failed command ends with. */
function failureOf(said: string, signal: number | string | null): string {
  if (signal !== null)
    return `its server was killed (${signal}): what it recorded is kept, and run --resume goes on with it`;
  const told = /^latentloop: (.+)$/m.exec(said)?.[1];
  return told ?? said.trim().split("\n").at(-1)!;
}
