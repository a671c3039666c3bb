import { readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { anyPorts, start, temporaryFolder } from "../cli.ts";

const folder = temporaryFolder();
afterAll(() => rm(folder, { recursive: true }));
const good = readFileSync("protocols/experiments/one-to-one.yaml", "utf8");
const shipped = "protocols/experiments/one-to-one.yaml";

function file(name: string, change: (text: string) => string): string {
  const path = join(folder, name);
  writeFileSync(path, change(good));
  return path;
}

async function refusal(...args: string[]): Promise<string> {
  const { code, stderr, stdout } = await start("run", ...args, "--out", folder).finished;
  expect(code, stderr).toBe(2);
  expect(stdout).toBe("");
  return stderr.trim();
}

describe("what the user gave is wrong: one clear line, exit code 2", () => {
  test.each([
    [
      "no such file",
      () => join(folder, "none.yaml"),
      /none\.yaml: expected a readable YAML file, there is no such file/,
    ],
    ["not YAML", () => file("a.yaml", () => "a: [1"), /a\.yaml: not YAML/],
    [
      "another type",
      () => file("b.yaml", (t) => t.replace("windowMs: 200", "windowMs: long")),
      /response\.windowMs: expected number, found "long"/,
    ],
    [
      "a typo",
      () => file("c.yaml", (t) => t.replace("onMs:", "onms:")),
      /stimulus\.onMs: expected number, found nothing.*Unrecognized key: "onms" \(known: onMs, gapMs, .*background/,
    ],
    [
      "out of range",
      () => file("d.yaml", (t) => t.replace("background: 0.5", "background: 5")),
      /stimulus\.background: .*<=1, found 5/,
    ],
    [
      "an unknown objective",
      () => file("e.yaml", (t) => t.replace("objective: variance", "objective: best")),
      /choice\.objective: .*"variance".*found "best"/,
    ],
    [
      "curves too wiggly for their functions",
      () => file("h.yaml", (t) => `${t}\ntuning: { lengthScale: 0.5, functions: 5 }\n`),
      /tuning\.functions: expected at least 14 for curves with a length scale of 0\.5/,
    ],
    [
      "a distance that no two faces have",
      () =>
        file("i.yaml", (t) =>
          t.replace("objective: variance", "objective: variance\n  constraints: { minDistance: 21 }"),
        ),
      /choice\.constraints\.minDistance: expected less than 20\.8/,
    ],
    [
      "no unit that counts",
      () =>
        file("j.yaml", (t) =>
          t.replace("objective: variance", "objective: variance\n  population: { isolationAtLeast: 0.5 }"),
        ),
      /choice\.population: expected at least one unit that counts, found none/,
    ],
    ["a missing model", () => file("f.yaml", (t) => t.replace("model: faces-64", "model: ./nowhere")), /nowhere/],
    [
      "another latent count",
      () => file("g.yaml", (t) => t.replace("latents: 12", "latents: 7")),
      /latents: expected 12, as model faces-64 has, found 7/,
    ],
  ])("%s", async (_, path, expected) => {
    const virtual = await refusal(path(), "--virtual");
    expect(virtual).toMatch(expected);
    expect(virtual).toMatch(/^latentloop: [^\n]*$/);
    expect(await refusal(path(), ...anyPorts)).toBe(virtual);
  });

  test("a real rig without units", async () => {
    expect(await refusal(shipped, ...anyPorts, "--rig", "tcp://127.0.0.1:5999")).toBe(
      "latentloop: recording.units: expected at least one unit for a real rig, found none",
    );
  });

  test("a port in use", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as { port: number };
    const stderr = await refusal(shipped, "--port", String(port), "--events", "tcp://127.0.0.1:*");
    server.close();
    expect(stderr).toContain(`${port}`);
    expect(stderr.split("\n")).toHaveLength(1);
  });

  test("options and commands that do not exist", async () => {
    expect(await refusal(shipped, "--trials", "many")).toContain(
      '--trials: expected a whole number from 1, got "many"',
    );
    expect(await refusal(shipped, "--speed", "3")).toContain("unknown option '--speed'");
    const { code, stderr } = await start("walk").finished;
    expect(code).toBe(2);
    expect(stderr).toContain("unknown command 'walk'");
  });
});
