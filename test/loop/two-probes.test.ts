import { readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { afterAll, expect, onTestFinished, test } from "vitest";
import { Push } from "zeromq";
import { encodeSpikeMessage } from "../../protocols/wire/spikes.ts";
import { readJournal } from "../../server/session/journal-reader.ts";
import type { SessionSummary } from "../../server/session/summary.ts";
import type { Trial } from "../../server/trials/trial.ts";
import { anyPorts, start, temporaryFolder } from "../cli.ts";

const out = temporaryFolder();
afterAll(() => rm(out, { recursive: true }));

/** Regular spikes at a rate, on a clock with an origin and a rate of its own. */
function openProbe(socket: Push, stream: string, unit: string, everyS: number, clock: (serverS: number) => number) {
  let seq = 0;
  let sentS = clock(Date.now() / 1000);
  let next = Math.ceil(sentS / everyS);
  return async () => {
    const untilS = clock(Date.now() / 1000);
    const times: number[] = [];
    for (; next * everyS <= untilS; next++) times.push(next * everyS);
    sentS = untilS;
    await socket.send(
      encodeSpikeMessage({
        v: 1,
        type: "spikes",
        stream,
        seq: seq++,
        clock: stream,
        untilS: sentS,
        units: [unit],
        unit: new Uint16Array(times.length),
        timeS: Float64Array.from(times),
      }),
    );
  };
}

test("T17, J16: two probes with clocks of their own, from two addresses, each counted on its own clock", async () => {
  const file = `${out}/two.yaml`;
  const base = readFileSync("protocols/experiments/one-to-one.yaml", "utf8").replace(
    /\nrecording:[\s\S]*?\n\n/,
    "\n\n",
  );
  const addresses = ["A", "B"].map((name) => `ipc://${out}/${name}`);
  writeFileSync(
    file,
    `${base}
recording:
  socket: pull
  streams: [{ name: A }, { name: B, address: "${addresses[1]}" }]
  units: [{ name: a, stream: A }, { name: b, stream: B }]
`,
  );
  const running = start(
    "run",
    file,
    ...anyPorts,
    "--display",
    "headless",
    "--out",
    out,
    "--rig",
    addresses[0],
    "--trials",
    "12",
    "--json",
  );
  await running.says(/session \//);
  const sockets = addresses.map((address) => {
    const socket = new Push();
    socket.connect(address);
    return socket;
  });
  const probes = [
    openProbe(sockets[0], "A", "a", 0.01, (s) => s - 1.7e9),
    openProbe(sockets[1], "B", "b", 0.02, (s) => (s - 1.7e9) * (1 + 5e-5) + 500),
  ];
  const ticking = setInterval(() => void Promise.all(probes.map((send) => send())).catch(() => {}), 5);
  onTestFinished(() => {
    clearInterval(ticking);
    for (const socket of sockets) socket.close();
  });
  const { code, stdout, stderr } = await running.finished;
  expect(code, stderr).toBe(0);
  const summary = JSON.parse(stdout.trim().split("\n").at(-1)!) as SessionSummary;
  expect(summary).toMatchObject({ trials: 12, spikes: { lost: 0, rejected: 0 } });
  const { records } = await readJournal(summary.sessionDir);
  const trials = records.filter(({ kind }) => kind === "trial") as unknown as (Trial & { countsU32: Uint8Array })[];
  for (const { countsU32, others, window, stream } of trials) {
    const [a, b] = new Uint32Array(Uint8Array.from(countsU32).buffer);
    // 100 and 50 regular spikes a second in 0.2 s.
    expect(Math.abs(a - 20)).toBeLessThanOrEqual(1);
    expect(Math.abs(b - 10)).toBeLessThanOrEqual(1);
    expect([stream, others![0].stream]).toEqual(["A", "B"]);
    const apartS = others![0].window!.startS - window!.startS * (1 + 5e-5);
    expect(Math.abs(apartS - 500)).toBeLessThan(0.05);
  }
  const recounted = await start("replay", summary.sessionDir, "--rig", "recorded", "--speed", "max").finished;
  expect(recounted.stdout).toContain("12 trials: all counts as recorded");
});
