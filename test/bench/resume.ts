/**
 * How long a long session takes to go on after its server died: `npm run bench:resume [trials] [units]`. The session is made in virtual time
 * and journalled as a live one; its last snapshot lies as far back as it can.
 */
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { parseExperimentValue } from "../../protocols/experiment.ts";
import { createDecider, type DeciderData, refitterSettings } from "../../server/choice/decider.ts";
import { pacedRefits } from "../../server/choice/replay.ts";
import { random } from "../../server/random.ts";
import { readSession } from "../../server/session/folder.ts";
import { createJournal, type JournalPlace } from "../../server/session/journal.ts";
import { scanJournal } from "../../server/session/journal-reader.ts";
import { recordsOf } from "../../server/session/record.ts";
import { replayJournal } from "../../server/session/replay.ts";
import { deciderSettings } from "../../server/session/settings.ts";
import { snapshotName, writeSnapshot } from "../../server/session/snapshot.ts";
import { versions } from "../../server/session/versions.ts";
import { refitsHere } from "../../server/tuning/refits-here.ts";
import { openVirtualSession } from "../../sim/study/virtual.ts";

const [trials = 10_000, units = 20] = process.argv.slice(2).map(Number);
const parsed = parseExperimentValue({
  name: "long",
  trials: trials + 1000,
  model: "faces-64",
  latents: 12,
  stimulus: { onMs: 100, gapMs: 100 },
  response: { latencyMs: 50, windowMs: 100 },
  simulation: { ramp: units / 2, axis: units / 2 },
});
if (!parsed.ok) throw new Error(parsed.errors);
const { experiment } = parsed;
const TAIL = experiment.session.snapshotTrials - 1;
const parent = mkdtempSync(join(tmpdir(), "latentloop-"));
const folder = join(parent, "long");
process.on("exit", () => rmSync(parent, { recursive: true, force: true }));

const live = {
  experimentFile: resolve("experiment.yaml"),
  rig: "sim",
  rigFormat: "latentloop",
  display: "headless",
  events: "tcp://127.0.0.1:*",
  port: 0,
  host: "127.0.0.1",
  allowHost: [],
  out: parent,
};
const journal = createJournal(folder, { sync: 1000, rotateBytes: 256 * 2 ** 20 }, { stalled() {}, recovered() {} });
journal.write("session", 0, { ...versions(), experiment, options: live });
let closed = 0;
let isDead = false;
const session = openVirtualSession(experiment, experiment.seed, (event, ms) => {
  if (isDead) return;
  for (const { kind, fields } of recordsOf(event)) journal.write(kind, ms, fields);
  if (event.kind !== "refined") return;
  closed++;
  if (closed === trials - TAIL) journal.write("snapshot", ms, { file: snapshotName(journal.place().n) });
  isDead = closed === trials;
});
const data: DeciderData = {
  settings: deciderSettings(
    experiment,
    session.units.map(({ name }) => name),
  ),
  seed: experiment.seed,
};
journal.write("decider", 0, data);
while (!isDead) session.advance();
await journal.close();
process.stdout.write(
  `${trials} trials, ${units} units: journal ${mebibytes(statSync(join(folder, "journal.llj")).size)}\n`,
);

await timed("resumed from the journal's beginning", resumed);

const { settings, seed } = data;
const refits = pacedRefits(refitsHere(refitterSettings(settings)));
const decider = createDecider(settings, random(seed).split("decider"), refits);
await replayJournal(
  folder,
  { ...settings, decider, refits },
  {
    async passed(file) {
      const n = Number(/\d+/.exec(file)![0]);
      const { folder: _, end, ...rest } = await readSession(folder, undefined, { records: n });
      const place = await placeOf(n);
      const startedMs = performance.now();
      const state = decider.state();
      const stateMs = performance.now() - startedMs;
      structuredClone(state);
      const heldUpMs = performance.now() - startedMs;
      const { bytes, ms } = writeSnapshot(folder, {
        place,
        session: rest,
        decider: state,
        refitter: await refits.state(),
      });
      process.stdout.write(
        `snapshot: ${mebibytes(bytes)}; the decider is held up for ${heldUpMs.toFixed(1)} ms (its state ${stateMs.toFixed(1)} ms), packing and writing take ${ms.toFixed(0)} ms on another thread\n`,
      );
    },
  },
);
for (let i = 0; i < 3; i++) await timed(`resumed from a snapshot ${TAIL} trials back`, resumed);

async function placeOf(n: number): Promise<JournalPlace> {
  let found: JournalPlace | null = null;
  await scanJournal(folder, (record, place) => {
    if (record.n === n) found = { ...place };
  });
  return found!;
}

/** Starts the server on the session, kills it once a face is on the screen. */
async function resumed(): Promise<string> {
  const main = fileURLToPath(new URL("../../server/main.js", import.meta.url));
  // A copy: what a server appends is not to be there the next time.
  const copy = `${folder}-copy`;
  rmSync(copy, { recursive: true, force: true });
  cpSync(folder, copy, { recursive: true });
  const child = spawn(process.execPath, [main, "run", "--resume", copy, "--hold"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  return new Promise((done, failed) => {
    child.stderr.on("data", (chunk) => {
      said += chunk;
      if (!/display connected/.test(said)) return;
      child.kill("SIGKILL");
      done(/goes on after.*/.exec(said)?.[0] ?? "");
    });
    child.on("exit", () => failed(new Error(said)));
  });
}

async function timed(what: string, run: () => Promise<string>): Promise<void> {
  const startedMs = performance.now();
  const said = await run();
  process.stdout.write(
    `${what}: ${((performance.now() - startedMs) / 1000).toFixed(2)} s from the command to the display; ${said}\n`,
  );
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
