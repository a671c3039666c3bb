import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Publisher, Push } from "zeromq";
import { encodeOpenEphys, type OpenEphysMessage } from "../../protocols/wire/open-ephys.ts";
import { encodeSpikeMessage } from "../../protocols/wire/spikes.ts";
import { type Acquisition, type AcquisitionOptions, openAcquisition } from "../../server/acquisition/acquisition.ts";
import { createRoster } from "../../server/acquisition/roster.ts";
import type { AcquisitionEvent } from "../../server/acquisition/spike-batch.ts";
import { serverNow } from "../../server/clock.ts";
import { ConfigurationError } from "../../server/failure.ts";

const disposers: (() => void)[] = [];
afterEach(() => {
  for (const dispose of disposers.splice(0).reverse()) dispose();
});

const LOCAL = "tcp://127.0.0.1:*";
const roster = createRoster([{ name: "a" }, { name: "b" }]);

async function open(
  options: Partial<AcquisitionOptions>,
): Promise<{ acquisition: Acquisition; events: AcquisitionEvent[] }> {
  const acquisition = await openAcquisition({
    streams: [],
    address: LOCAL,
    socket: "pull",
    format: "latentloop",
    roster,
    ...options,
  });
  disposers.push(() => acquisition.dispose());
  const events: AcquisitionEvent[] = [];
  acquisition.events$.subscribe((event) => events.push(event));
  return { acquisition, events };
}

function pushTo(address: string): Push {
  const push = new Push({ linger: 0 });
  push.connect(address);
  disposers.push(() => push.close());
  return push;
}

async function publisher(): Promise<Publisher> {
  const socket = new Publisher({ sendHighWaterMark: 0, linger: 0 });
  await socket.bind(LOCAL);
  disposers.push(() => socket.close());
  return socket;
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error("expected the condition within 20 s");
    await sleep(2);
  }
}

const spikeAt = (seq: number, timeS = seq): Uint8Array =>
  encodeSpikeMessage({
    v: 1,
    type: "spikes",
    stream: "probe",
    seq,
    clock: "x",
    untilS: timeS,
    units: ["a"],
    unit: Uint16Array.of(0),
    timeS: Float64Array.of(timeS),
  });

describe("acquisition over sockets", () => {
  it("W25: PULL binds and takes what any number of scripts push; W23: counts each message", async () => {
    const { acquisition, events } = await open({});
    expect(acquisition.address).toMatch(/^tcp:\/\/127\.0\.0\.1:\d+$/);
    const push = pushTo(acquisition.address);
    const beforeMs = serverNow();
    await push.send(spikeAt(0));
    await push.send(spikeAt(3));
    await push.send("hello");
    await push.send([spikeAt(4), spikeAt(5)]);
    await push.send(spikeAt(4));
    await until(() => acquisition.counts().messages === 5);
    expect(acquisition.counts()).toMatchObject({ spikes: 3, lostMessages: 2, rejected: { malformed: 2 } });
    // That the connection is up is told by ZeroMQ beside the messages, at times after the first.
    await until(() => events.some(({ type }) => type === "link"));
    const told = events.map(({ type }) => type).filter((type) => type !== "link");
    expect(told).toEqual(["batch", "gap", "batch", "rejected", "rejected", "batch"]);
    for (const { arrivedServerMs } of events) {
      expect(arrivedServerMs).toBeGreaterThanOrEqual(beforeMs - 1000);
      expect(arrivedServerMs).toBeLessThanOrEqual(serverNow());
    }
  });

  it("W25: SUB connects, before or after the publisher is there, and takes Open Ephys messages", async () => {
    const socket = await publisher();
    const { acquisition, events } = await open({
      address: socket.lastEndpoint!,
      socket: "sub",
      format: "open-ephys",
      sampleRate: 1000,
    });
    await until(() => events.some(({ type }) => type === "link"));
    await sleep(100);
    const spike = (messageNum: number, sampleNum: number): OpenEphysMessage => ({
      kind: "spike",
      messageNum,
      stream: "probe",
      sourceNode: 1,
      electrode: "b",
      sampleNum,
      sortedId: 0,
      numChannels: 1,
      numSamples: 1,
      threshold: [0],
      payload: new Uint8Array(4),
    });
    await socket.send(encodeOpenEphys(spike(1, 1000), 0));
    await socket.send(encodeOpenEphys(spike(2, 1001), 0));
    await until(() => acquisition.counts().messages === 2);
    acquisition.dispose();
    const batches = events.filter((event) => event.type === "batch");
    expect(batches.flatMap(({ timeS }) => [...timeS])).toEqual([1, 1.001]);
    expect(batches.flatMap(({ unit }) => [...unit])).toEqual([1, 1]);
  });

  it("W24: tells when the connection comes up and goes down", async () => {
    const socket = await publisher();
    const { events } = await open({ address: socket.lastEndpoint!, socket: "sub" });
    const links = () => events.filter((event) => event.type === "link").map(({ up }) => up);
    await until(() => links().length === 1);
    socket.close();
    await until(() => links().length >= 2);
    expect(links().slice(0, 2)).toEqual([true, false]);
  });

  it("W24: reading waits for nobody: a burst while the process is busy is taken whole", async () => {
    const socket = await publisher();
    const { acquisition, events } = await open({ address: socket.lastEndpoint!, socket: "sub" });
    await until(() => events.some(({ type }) => type === "link"));
    await sleep(100);
    // Whoever takes the events is slow at first, and never done: neither stops the reading.
    let slow = 0;
    acquisition.events$.subscribe(() => {
      const busyUntil = performance.now() + (slow++ < 20 ? 20 : 0);
      while (performance.now() < busyUntil);
      return new Promise(() => {});
    });
    const total = 20_000;
    for (let seq = 0; seq < total; seq++) await socket.send(spikeAt(seq));
    await until(() => acquisition.counts().messages === total);
    expect(acquisition.counts()).toMatchObject({ spikes: total, lostMessages: 0, lateSpikes: 0 });
  });

  it("the event stream ends when disposed of, and disposing twice does no harm", async () => {
    const { acquisition } = await open({});
    let completed = false;
    acquisition.events$.subscribe({ complete: () => (completed = true) });
    acquisition.dispose();
    acquisition.dispose();
    expect(completed).toBe(true);
    // ZeroMQ frees the port a moment after the socket has closed.
    const again = await vi.waitFor(() => open({ address: acquisition.address }), { timeout: 5000, interval: 50 });
    expect(again.acquisition.address).toBe(acquisition.address);
  });
});

describe("W25: addresses", () => {
  const refusal = async (options: Partial<AcquisitionOptions>): Promise<string> => {
    const error = await open(options).then(
      () => null,
      (error: unknown) => error,
    );
    expect(error).toBeInstanceOf(ConfigurationError);
    return (error as Error).message;
  };

  it("a bad address or a port in use is a configuration error that names it", async () => {
    expect(await refusal({ address: "localhost:5556", socket: "sub" })).toMatch(/to connect to.*got "localhost:5556"/);
    expect(await refusal({ address: "tcp://nowhere", socket: "pull" })).toMatch(/to bind.*got "tcp:\/\/nowhere"/);
    const { acquisition } = await open({});
    expect(await refusal({ address: acquisition.address })).toMatch(/in use/);
  });
});
