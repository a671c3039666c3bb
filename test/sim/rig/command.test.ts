import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Subscriber } from "zeromq";
import { rigCommand } from "../../../server/commands/rig.ts";
import { ConfigurationError } from "../../../server/failure.ts";

const folder = join(import.meta.dirname, "../../fixtures/open-ephys");
const run = (...args: string[]): Promise<unknown> => rigCommand().parseAsync(args, { from: "user" });

afterEach(() => {
  vi.restoreAllMocks();
});

describe("latentloop rig", () => {
  it("W26: plays to whoever subscribes at the address it says, and tells what it played", async () => {
    const lines: string[] = [];
    const subscriber = new Subscriber({ receiveHighWaterMark: 0 });
    vi.spyOn(process.stderr, "write").mockImplementation((chunk) => {
      lines.push(`${chunk}`);
      const address = /publishing at (\S+);/.exec(`${chunk}`)?.[1];
      if (address !== undefined) {
        subscriber.connect(address);
        subscriber.subscribe();
      }
      return true;
    });
    await run("--replay", folder, "--bind", "tcp://127.0.0.1:*", "--speed", "max", "--wait", "10");
    subscriber.close();
    expect(lines.join("")).toMatch(
      /example_data", 40000 Hz, 8 electrodes: Stereotrode 1, .*[\s\S]*played 1379 spikes and 128 TTL events/,
    );
  });

  it("says what is wrong with its options", async () => {
    await expect(run("--replay", "/no/such")).rejects.toThrow(ConfigurationError);
    await expect(run("--replay", folder, "--speed", "fast")).rejects.toThrow(
      /--speed \(or max\): expected a number from 0, got "fast"/,
    );
    await expect(run("--replay", folder, "--wait", "-1")).rejects.toThrow(/--wait: expected a number from 0/);
  });
});
