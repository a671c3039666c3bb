import { describe, expect, it } from "vitest";
import { createRoster } from "../../server/acquisition/roster.ts";
import { ConfigurationError } from "../../server/failure.ts";

describe("roster", () => {
  it("W7: knows units by name, in the order of the experiment file", () => {
    const roster = createRoster([{ name: "a" }, { name: "b" }]);
    expect([roster.byName("s", "a"), roster.byName("s", "b"), roster.byName("s", "c")]).toEqual([0, 1, null]);
    expect(roster.names).toEqual(["a", "b"]);
  });

  it("W13: knows clusters by electrode and sortedId, all of an electrode where no sortedId is given", () => {
    const roster = createRoster([
      { name: "a", electrode: "TT1", sortedId: 1 },
      { name: "b", electrode: "TT1", sortedId: 2 },
      { name: "TT2" },
    ]);
    expect([1, 2, 3].map((id) => roster.byCluster("s", "TT1", id))).toEqual([0, 1, null]);
    expect([0, 7].map((id) => roster.byCluster("s", "TT2", id))).toEqual([2, 2]);
    expect(roster.byCluster("s", "TT3", 0)).toBeNull();
  });

  it("refuses a name twice and a cluster that two units would share", () => {
    const refusal =
      (...units: Parameters<typeof createRoster>[0]) =>
      () =>
        createRoster(units);
    expect(refusal({ name: "a" }, { name: "a" })).toThrow(ConfigurationError);
    const tt1 = (name: string, sortedId?: number) => ({ name, electrode: "TT1", sortedId });
    expect(refusal(tt1("a", 1), tt1("b", 1))).toThrow(/electrode "TT1".*"b" \(sortedId 1\)/);
    expect(refusal(tt1("a", 1), tt1("b"))).toThrow(/"b" \(no sortedId: all clusters\)/);
    expect(refusal(tt1("a"), tt1("b", 1))).toThrow(ConfigurationError);
    expect(refusal(tt1("a", 0), tt1("b", 1))).not.toThrow();
  });

  it("T17: two probes may have electrodes of one name", () => {
    const roster = createRoster([
      { name: "a", electrode: "E1", stream: "A" },
      { name: "b", electrode: "E1", stream: "B", sortedId: 2 },
      { name: "c", electrode: "E2" },
    ]);
    expect(["A", "B", "C"].map((stream) => roster.byCluster(stream, "E1", 2))).toEqual([0, 1, null]);
    expect(["A", "B"].map((stream) => roster.byCluster(stream, "E2", 0))).toEqual([2, 2]);
    expect(["A", "B"].map((stream) => roster.byName(stream, "b"))).toEqual([null, 1]);
  });
});
