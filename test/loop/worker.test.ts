import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import type { Decider, DeciderData } from "../../server/choice/decider.ts";
import { readExperiment } from "../../server/session/experiment-file.ts";
import { deciderSettings } from "../../server/session/settings.ts";
import { openWorker } from "../../server/worker.ts";

async function decider(failed: (error: Error) => void) {
  const experiment = await readExperiment("protocols/experiments/one-to-one.yaml");
  const data: DeciderData = { settings: deciderSettings(experiment, ["a", "b"]), seed: 1 };
  return openWorker<Decider>("server/choice/decider-worker.js", data, failed);
}

test("a worker's functions answer in order; what they throw comes back and the worker lives on", async () => {
  const worker = await decider((error) => {
    throw error;
  });
  const [first, second] = await Promise.all([worker.call("decide", null, 2), worker.call("decide", null, 1)]);
  expect([first.length, second.length]).toEqual([2, 1]);
  await expect(worker.call("decide", { latents: first[0].latents, counts: [1] }, 1)).rejects.toThrow(
    "expected 2 counts, got 1",
  );
  expect(await worker.call("report")).toHaveLength(2);
  await worker.dispose();
});

test("a worker that dies is told once, and the calls under way are rejected, not left hanging", async () => {
  const told: Error[] = [];
  const worker = openWorker<{ start(): number }>("server/no-such-module.js", null, (error) => told.push(error));
  await expect(worker.call("start")).rejects.toThrow("no-such-module");
  await expect(worker.call("start")).rejects.toThrow("no-such-module");
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(told).toHaveLength(1);
});

test("J10 what a worker has answered is not kept for as long as it lives", async () => {
  const worker = await decider((error) => {
    throw error;
  });
  const answers: WeakRef<object>[] = [];
  for (let i = 0; i < 20; i++) answers.push(new WeakRef(await worker.call("report")));
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  await new Promise((resolve) => setTimeout(resolve, 50));
  collect();
  expect(answers.filter((answer) => answer.deref() !== undefined).length).toBeLessThan(5);
  await worker.dispose();
});
