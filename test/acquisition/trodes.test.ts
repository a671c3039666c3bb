import { spawn, spawnSync } from "node:child_process";
import { filter, firstValueFrom, lastValueFrom, toArray } from "rxjs";
import { describe, expect, onTestFinished, test } from "vitest";
import { Publisher, Reply } from "zeromq";
import { pack, unpack } from "../../protocols/wire/message.ts";
import { createRoster } from "../../server/acquisition/roster.ts";
import type { AcquisitionEvent } from "../../server/acquisition/spike-batch.ts";
import { endpointOf } from "../../server/acquisition/trodes/discovery.ts";
import { createTrodesReader, type TrodesSource } from "../../server/acquisition/trodes/reader.ts";
import { openTrodes } from "../../server/acquisition/trodes/trodes.ts";
import { ConfigurationError } from "../../server/failure.ts";

const roster = createRoster([
  { name: "a", electrode: "3", sortedId: 1 },
  { name: "b", electrode: "12" },
]);
const RATE = 30_000;

describe("W32 to W34: messages of a Trodes network", () => {
  const open = () => {
    const reader = createTrodesReader(roster, RATE);
    const read = (source: TrodesSource, body: object) => reader.read([new TextEncoder().encode(source), pack(body)], 5);
    return { reader, read };
  };
  const spike = (s: number, nTrodeId: number, cluster: number) => ({
    localTimestamp: Math.round(s * RATE),
    nTrodeId,
    cluster,
    systemTimestamp: 1,
  });
  const lfp = (s: number) => ({ localTimestamp: Math.round(s * RATE), lfpData: [1, 2], systemTimestamp: 1 });

  test("spikes are told once time has passed them by 50 ms, by unit", () => {
    const { reader, read } = open();
    expect(read("source.lfp", lfp(10))).toMatchObject([{ type: "batch", untilS: 9.95 }]);
    expect(read("source.spikes", spike(10.001, 3, 1))).toEqual([]);
    expect(read("source.spikes", spike(10.002, 12, 7))).toEqual([]);
    expect(read("source.spikes", spike(10.003, 3, 2))[0]).toMatchObject({ reason: "unknown-unit" });
    const [batch] = read("source.lfp", lfp(10.02)) as Extract<AcquisitionEvent, { type: "batch" }>[];
    expect(batch.untilS).toBeCloseTo(9.97, 12);
    expect(batch).toMatchObject({ stream: "trodes", reachedS: 10.02, count: null, arrivedServerMs: 5 });
    expect([...batch.unit]).toEqual([0, 1]);
    expect([...batch.timeS]).toEqual([10.001, 10.002]);
    expect(reader.counts).toMatchObject({ spikes: 2, lateSpikes: 0, unknownUnits: { "3#2": 1 } });
  });

  test("an edge is a bit that has changed, on its line", () => {
    const { read } = open();
    const digital = (s: number, ...bytes: number[]) => ({
      localTimestamp: Math.round(s * RATE),
      digitalData: [Uint8Array.from(bytes)],
    });
    const ttl = (s: number, ...bytes: number[]) =>
      read("source.digital", digital(s, ...bytes)).filter((e) => e.type === "ttl");
    expect(ttl(1, 0b1, 0)).toEqual([]);
    expect(ttl(1.01, 0b1, 0)).toEqual([]);
    expect(ttl(1.02, 0b0, 0b100)).toEqual([
      { type: "ttl", stream: "trodes", line: 0, state: false, timeS: 1.02, arrivedServerMs: 5 },
      { type: "ttl", stream: "trodes", line: 10, state: true, timeS: 1.02, arrivedServerMs: 5 },
    ]);
  });

  test("timestamps that go back are a restart, told after what was kept", () => {
    const { reader, read } = open();
    read("source.lfp", lfp(100));
    read("source.spikes", spike(100.001, 12, 0));
    const events = read("source.lfp", lfp(2));
    expect(events.map(({ type }) => type)).toEqual(["batch", "restart", "batch"]);
    expect(events[2]).toMatchObject({ untilS: 1.95 });
    expect(reader.counts).toMatchObject({ spikes: 1, restarts: 1 });
  });

  test("what is no such message is rejected in words", () => {
    const { read } = open();
    expect(read("source.spikes", { nTrodeId: 1 })).toMatchObject([
      { type: "rejected", reason: "malformed", detail: expect.stringMatching(/^source\.spikes: localTimestamp/) },
    ]);
  });
});

/** The central server of a Trodes network, as trodesnetwork expects it: it tells its address over and over and keeps endpoints by name. */
async function openNetwork() {
  const [greeter, replies, info] = [new Publisher(), new Reply(), new Reply()];
  for (const socket of [greeter, replies, info]) await socket.bind("tcp://127.0.0.1:*");
  const endpoints = new Map([["trodes.info", info.lastEndpoint!]]);
  const greeting = setInterval(() => void greeter.send(pack({ replyEndpoint: replies.lastEndpoint })), 50);
  void (async () => {
    for await (const [frame] of replies) {
      const message = unpack(frame);
      const { tag, name, endpoint } = (message.ok ? message.value : {}) as Record<string, string>;
      if (tag === "add") endpoints.set(name, endpoint);
      await replies.send(pack(tag === "get" ? (endpoints.get(name) ?? "") : true));
    }
  })().catch(() => {});
  void (async () => {
    for await (const _ of info) await info.send(pack(["", "", { timerate: RATE }]));
  })().catch(() => {});
  onTestFinished(() => {
    clearInterval(greeting);
    for (const socket of [greeter, replies, info]) socket.close();
  });
  return { address: greeter.lastEndpoint!, endpoints };
}

test("W31: no network at the address is said", async () => {
  const silent = new Reply();
  await silent.bind("tcp://127.0.0.1:*");
  onTestFinished(() => silent.close());
  await expect(openTrodes({ address: silent.lastEndpoint!, roster })).rejects.toThrow(ConfigurationError);
}, 15_000);

test("W31: an endpoint that is told after the end is no longer wanted", async () => {
  const network = new Reply();
  await network.bind("tcp://127.0.0.1:*");
  onTestFinished(() => network.close());
  const stop = new AbortController();
  const found = endpointOf(network.lastEndpoint!, "source.spikes", stop.signal);
  await network.receive();
  stop.abort();
  await network.send(pack("tcp://127.0.0.1:49153"));
  expect(await found).toBeNull();
});

test("W31: sources are found by name, also those that come later, and all spikes arrive", async () => {
  const { address, endpoints } = await openNetwork();
  const acquisition = await openTrodes({ address, roster });
  const spikes = new Publisher();
  await spikes.bind("tcp://127.0.0.1:*");
  onTestFinished(() => {
    acquisition.dispose();
    spikes.close();
  });
  const up = firstValueFrom(acquisition.events$.pipe(filter((event) => event.type === "link" && event.up)));
  endpoints.set("source.spikes", spikes.lastEndpoint!);
  await up;
  // A subscription takes a moment beyond the handshake.
  await new Promise((resolve) => setTimeout(resolve, 200));
  const told = lastValueFrom(acquisition.events$.pipe(toArray()));
  for (let i = 0; i < 500; i++)
    await spikes.send(pack({ localTimestamp: 90_000 + 300 * i, nTrodeId: 12, cluster: 0, systemTimestamp: 0 }));
  await firstValueFrom(
    acquisition.events$.pipe(
      filter((event) => event.type === "batch" && event.reachedS >= (90_000 + 300 * 499) / RATE),
    ),
  );
  acquisition.dispose();
  const events = await told;
  const times = events.flatMap((event) => (event.type === "batch" ? [...event.timeS] : []));
  expect(times).toEqual(Array.from({ length: 500 }, (_, i) => (90_000 + 300 * i) / RATE));
  expect(acquisition.counts()).toMatchObject({ spikes: 500, lateSpikes: 0 });
});

const python = process.env.LATENTLOOP_PYTHON ?? "python3";
const peer = spawnSync(python, ["-c", "import trodesnetwork"]);
const publisher = `
import sys, time
from trodesnetwork import SourcePublisher
spikes = SourcePublisher("source.spikes", server_address=sys.argv[1])
digital = SourcePublisher("source.digital", server_address=sys.argv[1])
for i in range(400):
    spikes.publish({"localTimestamp": 30000 + 300 * i, "nTrodeId": 3, "cluster": 1, "systemTimestamp": 0})
    digital.publish({"localTimestamp": 30000 + 300 * i, "digitalData": [bytes([i // 10 % 2])]})
    time.sleep(0.01)
`;

test.skipIf(peer.status !== 0)(
  "W31, W32: the vendor's own Python package publishes, and is understood (needs python3 with trodesnetwork)",
  async () => {
    const { address } = await openNetwork();
    const acquisition = await openTrodes({ address, roster });
    const child = spawn(python, ["-c", publisher, address], { stdio: "inherit" });
    onTestFinished(() => void child.kill());
    const exited = new Promise((resolve) => child.on("close", resolve));
    const events: AcquisitionEvent[] = [];
    acquisition.events$.subscribe((event) => events.push(event));
    await exited;
    acquisition.dispose();
    expect(acquisition.counts().rejected.malformed).toBe(0);
    expect(acquisition.counts().spikes).toBeGreaterThan(200);
    const edges = events.filter((event) => event.type === "ttl");
    expect(edges.length).toBeGreaterThan(10);
    for (const { line, timeS } of edges) {
      expect(line).toBe(0);
      expect(Math.round(timeS * RATE) % 3000).toBe(0);
    }
  },
);
