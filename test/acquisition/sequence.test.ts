import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { initSequence, type Numbered, remembered, stepSequence } from "../../server/acquisition/sequence.ts";

/** Verdicts in short: `gap 2`, `next`. A number alone has its own value as its time. */
function verdicts(messages: (number | [number, number])[], beginning = 0): string[] {
  let state = initSequence(beginning);
  return messages.map((message) => {
    const [number, position] = typeof message === "number" ? [message, message] : message;
    const [next, verdict] = stepSequence(state, { number, position }, 10);
    state = next;
    return verdict.kind === "gap" ? `gap ${verdict.missing}` : verdict.kind;
  });
}

describe("sequence of message numbers", () => {
  it("W18: counts what is skipped, and may begin anywhere", () => {
    expect(verdicts([5, 6, 9, 10])).toEqual(["next", "next", "gap 2", "next"]);
  });

  it("W19: a missing number that comes after all is reordered, once", () => {
    expect(verdicts([0, 4, 2, 1, 3, 5, 2])).toEqual([
      "next",
      "gap 3",
      "reordered",
      "reordered",
      "reordered",
      "next",
      "duplicate",
    ]);
  });

  it("W20: the same number and time again is a duplicate", () => {
    expect(verdicts([0, 0, 1, 2, 1, 2, 3])).toEqual([
      "next",
      "duplicate",
      "next",
      "next",
      "duplicate",
      "duplicate",
      "next",
    ]);
  });

  it("W21: the first number again, on the same clock or another, is a restart", () => {
    expect(verdicts([0, 1, 2, 0, 1])).toEqual(["next", "next", "next", "restart", "next"]);
    expect(verdicts([1, 2, 3, 1, 2], 1)).toEqual(["next", "next", "next", "restart", "next"]);
    expect(verdicts([0, 1, [0, 500], [1, 501]])).toEqual(["next", "next", "restart", "next"]);
  });

  it("W21: a restart whose beginning was lost is known by its time", () => {
    expect(
      verdicts([
        [500, 500],
        [501, 501],
        [3, 3],
        [4, 4],
      ]),
    ).toEqual(["next", "next", "restart", "next"]);
    expect(
      verdicts([
        [1, 500],
        [2, 501],
        [3, 3],
        [4, 4],
      ]),
    ).toEqual(["next", "next", "restart", "next"]);
    // 7 is missing, but this 7 is from another life of the sender.
    expect(
      verdicts([
        [6, 500],
        [9, 503],
        [7, 2],
      ]),
    ).toEqual(["next", "gap 2", "restart"]);
  });

  it("W21: time may go back by the tolerance without a restart", () => {
    expect(
      verdicts([
        [1, 100],
        [2, 91],
        [3, 95],
      ]),
    ).toEqual(["next", "next", "next"]);
  });

  it("W18 to W20: dropping, repeating and swapping never make a restart, and the sum comes out", () => {
    const fates = fc.array(fc.constantFrom("keep", "drop", "repeat", "swap"), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(fates, (list) => {
        const sent: number[] = [0, 1];
        for (const [i, fate] of list.entries()) {
          if (fate !== "drop") sent.push(i + 2);
          if (fate === "repeat") sent.push(i + 2);
          if (fate === "swap" && sent.length > 3) sent.splice(-2, 2, sent[sent.length - 1], sent[sent.length - 2]);
        }
        const told = verdicts(sent);
        const count = (kind: string) => told.filter((one) => one === kind).length;
        const gaps = told.filter((one) => one.startsWith("gap")).reduce((sum, one) => sum + Number(one.slice(4)), 0);
        expect(count("restart")).toBe(0);
        expect(count("duplicate")).toBe(sent.length - new Set(sent).size);
        expect(gaps - count("reordered")).toBe(Math.max(...sent) + 1 - new Set(sent).size);
      }),
    );
  });

  it("a message without a time is judged by its number alone", () => {
    let state = initSequence(1);
    const kinds = ([1, 2, 4, 3, 3] as const).map((number) => {
      const message: Numbered = { number, position: null };
      const [next, verdict] = stepSequence(state, message, 10);
      state = next;
      return verdict.kind;
    });
    expect(kinds).toEqual(["next", "next", "gap", "reordered", "duplicate"]);
  });

  it("what is remembered stays bounded", () => {
    let state = initSequence(0);
    for (let number = 0; number < 10_000; number += 2) state = stepSequence(state, { number, position: number }, 10)[0];
    expect([...remembered(state)].length).toBeLessThanOrEqual(64);
    expect([...remembered(state)].length).toBeGreaterThanOrEqual(32);
    expect(state.missing.length).toBeLessThanOrEqual(32);
  });
});
