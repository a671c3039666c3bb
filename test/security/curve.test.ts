import { mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { curveKeyPair, Push, Subscriber } from "zeromq";
import { encodeSpikeMessage, SPIKES_VERSION } from "../../protocols/wire/spikes.ts";
import { openAcquisition } from "../../server/acquisition/acquisition.ts";
import { createRoster } from "../../server/acquisition/roster.ts";
import { admitOnly, connectingWith, type Keys, makeKeys, readKeys } from "../../server/security/curve.ts";
import { openPublicEvents } from "../../server/session/public-events.ts";
import { anyPorts, start } from "../cli.ts";

const folder = mkdtempSync(join(tmpdir(), "latentloop-"));
const file = join(folder, "rig.key");
let keys: Keys;
let admission: { dispose(): void };
beforeAll(async () => {
  await makeKeys(file);
  keys = await readKeys(file);
  admission = await admitOnly(keys);
});
afterAll(async () => {
  admission.dispose();
  await rm(folder, { recursive: true });
});

/** Those who may not come in: without keys, with keys of their own, and with keys of their own and the rig's public one. */
const strangers = (): [string, object][] => {
  const own = curveKeyPair();
  return [
    ["no keys", {}],
    ["another key file", connectingWith(own)],
    ["the rig's public key and a pair of its own", { ...connectingWith(own), curveServerKey: keys.publicKey }],
  ];
};

describe("N9 keys", () => {
  test("a key file is its owner's alone and never written over; what is none is told without what it holds", async () => {
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const before = readFileSync(file, "utf8");
    await expect(makeKeys(file)).rejects.toThrow("expected a place for a new file");
    expect(readFileSync(file, "utf8")).toBe(before);
    const other = join(folder, "other.key");
    writeFileSync(other, JSON.stringify({ publicKey: keys.publicKey, secretKey: "hush" }));
    await expect(readKeys(other)).rejects.toThrow("secretKey: expected 40 characters of Z85");
    await expect(readKeys(other)).rejects.not.toThrow("hush");
    writeFileSync(other, "hush");
    await expect(readKeys(other)).rejects.toThrow("expected JSON as `latentloop keys` writes it");
    await expect(readKeys(join(folder, "none.key"))).rejects.toThrow("expected a readable file");
  });

  test("public events reach who has the keys, and nobody else", async () => {
    const events = await openPublicEvents("tcp://127.0.0.1:*", keys);
    const heard: string[] = [];
    const sockets = [["the keys", connectingWith(keys)] as [string, object], ...strangers()].map(([name, options]) => {
      const socket = new Subscriber({ ...options, linger: 0 });
      socket.connect(events.address);
      socket.subscribe();
      void (async () => {
        for await (const _ of socket) heard.push(name);
      })().catch(() => {});
      return socket;
    });
    const state = { v: 1, session: "s", type: "gate", open: true, timeS: 0, clock: "c", why: "" } as never;
    for (let i = 0; heard.length < 20; i++) {
      expect(i).toBeLessThan(2000);
      events.publish(state);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(new Set(heard)).toEqual(new Set(["the keys"]));
    for (const socket of sockets) socket.close();
    await events.dispose();
  });

  test("spikes are taken from who has the keys, and from nobody else", async () => {
    const acquisition = await openAcquisition({
      ...{ address: "tcp://127.0.0.1:*", socket: "pull", format: "latentloop", streams: [], keys },
      roster: createRoster([{ name: "a" }]),
    });
    const heard = new Set<string>();
    let batches = 0;
    acquisition.events$.subscribe((event) => {
      if (event.type !== "batch") return;
      batches++;
      heard.add(event.stream);
    });
    const head = { v: SPIKES_VERSION as typeof SPIKES_VERSION, clock: "c", type: "spikes" as const, units: ["a"] };
    const senders = [["the keys", connectingWith(keys)] as [string, object], ...strangers()].map(([name, options]) => {
      const socket = new Push({ ...options, linger: 0, sendHighWaterMark: 0, sendTimeout: 0 });
      socket.connect(acquisition.address);
      return { name, socket };
    });
    for (let i = 0; batches < 20; i++) {
      expect(i).toBeLessThan(2000);
      for (const { name, socket } of senders) {
        const spikes = { unit: Uint16Array.of(0), timeS: Float64Array.of(i), untilS: i + 0.5 };
        // Who is not let in has nowhere to send to.
        await socket.send(encodeSpikeMessage({ ...head, ...spikes, stream: name, seq: i }) as Buffer).catch(() => {});
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect([...heard]).toEqual(["the keys"]);
    for (const { socket } of senders) socket.close();
    acquisition.dispose();
  });

  test("a session with --keys runs encrypted, its simulated rig included", { timeout: 180_000 }, async () => {
    const session = start(
      ...["run", "protocols/experiments/one-to-one.yaml", ...anyPorts, "--display", "headless"],
      ...["--trials", "8", "--out", folder, "--keys", file, "--json"],
    );
    const [, spikes] = await session.says(/spikes from (tcp:\S+);/);
    const eavesdropper = new Subscriber({ linger: 0 });
    eavesdropper.connect(spikes);
    eavesdropper.subscribe();
    let overheard = 0;
    void (async () => {
      for await (const _ of eavesdropper) overheard++;
    })().catch(() => {});
    const { code, stdout, stderr } = await session.finished;
    eavesdropper.close();
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout).trials).toBe(8);
    expect(overheard).toBe(0);
    expect(stderr).not.toContain(keys.secretKey);
  });
});
