import { once } from "node:events";
import { expect, test } from "vitest";
import { WebSocket } from "ws";
import { pack } from "../../protocols/wire/message.ts";
import {
  decodeOperatorAnswer,
  OPERATOR_PATH,
  type OperatorAnswer,
  type UnitOrder,
} from "../../protocols/wire/operator.ts";
import { createOperatorDesk } from "../../server/operator/desk.ts";
import { readExperiment } from "../../server/session/experiment-file.ts";
import { start } from "../cli.ts";
import { testServer } from "../presentation/rig.ts";

const experiment = await readExperiment("protocols/experiments/one-to-one.yaml");

/** A desk whose session is paused and resumed as it is told; its address. */
async function openDesk(ordered: (order: UnitOrder) => void = () => {}): Promise<string> {
  let state: "running" | "paused" | "ended" = "running";
  const desk = createOperatorDesk(() => state, ["a", "b"], experiment);
  desk.commands$.subscribe((op) => {
    state = ({ pause: "paused", resume: "running", abort: "ended", skip: "running" } as const)[op];
  });
  desk.unitOrders$.subscribe(ordered);
  const { url } = await testServer({ others: { [OPERATOR_PATH]: desk } });
  return url.replace("/display", OPERATOR_PATH);
}

/** An operator at such a desk. */
async function operator(ordered?: (order: UnitOrder) => void) {
  const socket = new WebSocket(await openDesk(ordered));
  await once(socket, "open");
  return async (message: unknown): Promise<OperatorAnswer> => {
    socket.send(pack(message));
    const [data] = (await once(socket, "message")) as [Buffer];
    const answer = decodeOperatorAnswer(data);
    if (!answer.ok) throw new Error(answer.detail);
    return answer.value;
  };
}

test("O1: every command is answered, under its own number", async () => {
  const tell = await operator();
  expect(await tell({ v: 1, id: 7, op: "pause" })).toEqual({ v: 1, id: 7, op: "done", state: "paused" });
  expect(await tell({ v: 1, id: 8, op: "pause" })).toEqual({
    v: 1,
    id: 8,
    op: "refused",
    reason: "expected a running session to pause, but it is paused",
  });
  expect(await tell({ v: 1, id: 9, op: "resume" })).toMatchObject({ id: 9, op: "done", state: "running" });
  expect(await tell({ v: 1, id: 10, op: "abort" })).toMatchObject({ id: 10, op: "done", state: "ended" });
});

test("O1: a command that can't be read is refused with what was expected", async () => {
  const tell = await operator();
  expect(await tell({ v: 1, id: 1, op: "dance" })).toMatchObject({
    id: null,
    op: "refused",
    reason: expect.stringMatching(/op: .*'pause'.*found "dance"/),
  });
  expect(await tell({ v: 3, id: 1, op: "pause" })).toMatchObject({
    op: "refused",
    reason: "expected version 1, got 3",
  });
});

test("O3: an order about a unit is passed on; one that the session does not have is refused", async () => {
  const orders: unknown[] = [];
  const tell = await operator((order) => orders.push(order));
  expect(await tell({ v: 1, id: 1, op: "exclude", unit: "b" })).toMatchObject({ id: 1, op: "done" });
  expect(await tell({ v: 1, id: 2, op: "reset", unit: "z" })).toMatchObject({
    id: 2,
    op: "refused",
    reason: "expected one of this session's units (a, b), got z",
  });
  expect(orders).toEqual([{ op: "exclude", unit: "b" }]);
});

test("O3: `operator` says what was done to a unit, whatever the session's state", { timeout: 60_000 }, async () => {
  const url = await openDesk();
  const tell = async (...command: string[]) => (await start("operator", ...command, "--url", url).finished).stdout;
  expect(await tell("pause")).toBe("pause: the session is paused\n");
  expect(await tell("exclude", "b")).toBe("unit b: no longer counts when faces are chosen (the session is paused)\n");
  expect(await tell("reset", "a")).toBe(
    "unit a: sorted anew; what was learned of it is forgotten (the session is paused)\n",
  );
});
