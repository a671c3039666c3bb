import { expect, test } from "vitest";
import { studentT95, Z95 } from "../../server/tuning/interval.ts";

test("95th percentiles as SciPy has them: stats.t.ppf(.95, [4, 10, 54]), stats.norm.ppf(.95)", () => {
  for (const [degrees, expected] of [
    [4, 2.131846786326649],
    [10, 1.8124611228107335],
    [54, 1.6735649063521618],
  ])
    expect(Math.abs(studentT95(degrees) / expected - 1)).toBeLessThan(1e-3);
  expect(Z95).toBeCloseTo(1.6448536269514722, 15);
});
