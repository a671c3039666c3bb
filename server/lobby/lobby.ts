/** Where sessions are chosen: those of a folder, opened to be read; and a dry run, started from an experiment file. */
import { join, resolve } from "node:path";
import type { WebSocket } from "ws";
import type { DashboardMessage } from "../../protocols/wire/dashboard.ts";
import { pack } from "../../protocols/wire/message.ts";
import {
  CLOSED_FOR_GOOD,
  decodeLobbyRequest,
  LOBBY_VERSION,
  type LobbyMessage,
  type LobbyRequest,
} from "../../protocols/wire/sessions.ts";
import { openPast, type Past } from "../dashboard/past.ts";
import type { Network } from "../security/entry.ts";
import { writerOf } from "../session/lock.ts";
import { type DryRunProcess, startDryRun } from "./dry-run.ts";
import { type FoundExperiment, listExperiments } from "./experiment-list.ts";
import { createSessionList } from "./session-list.ts";

export interface LobbyOptions {
  /** Of sessions; dry runs are kept there too. */
  folder: string;
  /** The user's experiment files. */
  experiments: string;
  network: Network;
  said(line: string): void;
}

export interface Lobby {
  /** A page of the list. */
  attend(socket: WebSocket): void;
  /** A dashboard that wants a session of the list, by its name. */
  watch(socket: WebSocket, name: string): void;
  dispose(): Promise<void>;
}

const LOOK_MS = 1000;
/** Past sessions that are open at once; one without a page is closed after a while. */
const MOST_OPEN = 3;
const IDLE_MS = 60_000;

interface Opened {
  past: Promise<Past>;
  /** Since when no page looks at it. */
  idleMs: number | null;
}

export function openLobby({ folder: given, experiments, network, said }: LobbyOptions): Lobby {
  const folder = resolve(given);
  const sessions = createSessionList(folder);
  const pages = new Set<WebSocket>();
  let listed: FoundExperiment[] = [];
  let run: DryRunProcess | null = null;
  let told = "";
  let message: Uint8Array | null = null;

  const send = (socket: WebSocket, answer: LobbyMessage) => socket.send(pack(answer));
  async function look(): Promise<void> {
    listed = await listExperiments(experiments);
    const now: LobbyMessage = {
      op: "lobby",
      v: LOBBY_VERSION,
      folder,
      experiments: listed.map(({ path: _, ...experiment }) => experiment),
      sessions: await sessions.list(),
      run: run?.state() ?? null,
    };
    const words = JSON.stringify(now);
    if (words === told) return;
    told = words;
    message = pack(now);
    for (const page of pages) page.send(message);
  }
  let looking: Promise<void> = Promise.resolve();
  const lookAgain = () => {
    looking = looking.then(look).catch((error: Error) => said(`the list of sessions: ${error.message}`));
    return looking;
  };
  let timer: NodeJS.Timeout | null = null;

  /** Does what is asked; why not, or null. */
  async function obey(request: LobbyRequest): Promise<string | null> {
    const isRunning = run !== null && ["starting", "running"].includes(run.state().phase);
    if (request.op === "end") {
      if (!isRunning) return "expected a dry run to end, but none is running";
      run!.end();
      return null;
    }
    if (isRunning) return "expected the dry run that was started before to end first";
    const found = listed.find(({ id }) => id === request.experiment);
    if (!found) return `experiment: expected one of the list, found ${JSON.stringify(request.experiment)}`;
    if (found.wrong !== null) return found.wrong;
    run = startDryRun(request, found.path, folder, network, () => void lookAgain());
    void lookAgain();
    const reason = await run.started;
    // Where its pages are is told before that they are.
    await lookAgain();
    return reason;
  }

  async function answer(socket: WebSocket, data: Uint8Array): Promise<void> {
    const request = decodeLobbyRequest(data);
    if (!request.ok) return send(socket, { op: "refused", id: null, reason: request.detail });
    const { id, op } = request.value;
    const reason = await obey(request.value);
    if (reason !== null) send(socket, { op: "refused", id, reason });
    else send(socket, { op: op === "start" ? "started" : "done", id });
  }

  const opened = new Map<string, Opened>();
  async function open(name: string): Promise<Past> {
    // A name of the server's own list: what a page asks for is never a path.
    if (!(await sessions.names()).includes(name))
      throw new Error(`expected a session of ${folder}, found ${JSON.stringify(name)}`);
    const path = join(folder, name);
    if (writerOf(path))
      throw new Error("this session is running: open it from the list, or at the address that it printed");
    const kept = opened.get(name);
    if (kept) return kept.past;
    await closeIdle(MOST_OPEN - 1, 0);
    const meanwhile = opened.get(name);
    if (meanwhile) return meanwhile.past;
    if (opened.size >= MOST_OPEN)
      throw new Error(`expected at most ${MOST_OPEN} past sessions to be open at once: close another one's page`);
    const past = openPast(path, (error) => {
      said(`session ${name}: ${error.message}`);
      opened.delete(name);
    });
    opened.set(name, { past, idleMs: performance.now() });
    past.catch(() => opened.delete(name));
    return past;
  }

  /** Closes those without a page for so long, the longest first, until at most so many are open. */
  async function closeIdle(most: number, forMs: number): Promise<void> {
    for (const [name, one] of [...opened]) {
      const past = await one.past.catch(() => null);
      if (!past) continue;
      if (past.pages() > 0) one.idleMs = null;
      else one.idleMs ??= performance.now();
      if (one.idleMs === null || performance.now() - one.idleMs < forMs || opened.size <= most) continue;
      opened.delete(name);
      await past.dispose();
    }
  }
  const closing = setInterval(() => void closeIdle(0, IDLE_MS), IDLE_MS / 6);

  return {
    attend(socket) {
      pages.add(socket);
      socket.on("error", () => socket.terminate());
      socket.on("close", () => {
        pages.delete(socket);
        if (pages.size > 0 || timer === null) return;
        clearInterval(timer);
        timer = null;
      });
      socket.on("message", (data: Buffer) => void answer(socket, data));
      if (message) socket.send(message);
      void lookAgain();
      timer ??= setInterval(() => void lookAgain(), LOOK_MS);
    },
    watch(socket, name) {
      socket.on("error", () => socket.terminate());
      open(name).then(
        (past) => {
          if (socket.readyState === socket.OPEN) past.attend(socket);
        },
        (error: Error) => {
          socket.send(pack({ op: "bye", reason: error.message } satisfies DashboardMessage));
          socket.close(CLOSED_FOR_GOOD, "not to be opened");
        },
      );
    },
    async dispose() {
      if (timer) clearInterval(timer);
      clearInterval(closing);
      await run?.dispose();
      for (const { past } of opened.values()) await (await past.catch(() => null))?.dispose();
    },
  };
}
