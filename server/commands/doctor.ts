import { Command } from "commander";
import { agrees, type Diagnosis, diagnose } from "../model/doctor/doctor.ts";
import { batches, type Measured, sides } from "../model/doctor/measure.ts";
import type { Finding } from "../model/doctor/measure-main.ts";

/** `latentloop doctor`: what this machine can decode and train with. */
export function doctorCommand(): Command {
  return new Command("doctor")
    .description(
      "Try every backend on this machine: its times, whether its pixels are right, and what to install to do better",
    )
    .option("--json", "print one JSON object on stdout", false)
    .action(async ({ json }: { json: boolean }) => {
      const say = (line: string) => process.stderr.write(`${line}\n`);
      if (!json) say(head());
      const diagnosis = await diagnose((name, finding) => {
        if (!json) say(row(name, finding));
      });
      if (json) process.stdout.write(`${JSON.stringify(diagnosis)}\n`);
      else for (const line of closing(diagnosis)) say(line);
      if (diagnosis.chosen === null) process.exitCode = 1;
    });
}

const column = (text: string, width = 9) => text.padStart(width);

function head(): string {
  const columns = sides.flatMap((side) => batches.map((batch) => `${side}² ×${batch}`));
  return `milliseconds, median: decode of 1, 8 and 32 faces, a training step of 32 at 64²\n${"backend".padEnd(15)}${"version".padEnd(10)}${columns.map((text) => column(text)).join("")}${column("step")}  pixels`;
}

function row(name: string, finding: Finding): string {
  if (!finding.works) return `${name.padEnd(15)}passed over: ${finding.reason}`;
  const { version, decodeMs, trainingMs } = finding.measured;
  const times = [...decodeMs.map(({ ms }) => ms), trainingMs].map((ms) => column(ms === null ? "–" : figure(ms)));
  return `${name.padEnd(15)}${version.padEnd(10)}${times.join("")}  ${pixels(finding.measured)}`;
}

const figure = (ms: number) => (ms < 10 ? ms.toFixed(1) : ms.toFixed(0));

const pixels = (measured: Measured) =>
  `${agrees(measured) ? "right" : "WRONG"} (≤ ${measured.pixelsOff} of 255)${measured.trainingOff === null ? "; does not train" : `, gradients to ${measured.trainingOff.toExponential(0)}`}`;

function closing({ chosen, onnxruntime, advice }: Diagnosis): string[] {
  const onnx = onnxruntime.works
    ? `works, on the ${onnxruntime.cuda === null ? "GPU" : `processor: ${onnxruntime.cuda}`}`
    : `passed over: ${onnxruntime.reason.split(";")[0]}`;
  return [
    `onnxruntime    ${onnxruntime.works ? `${onnxruntime.version} ` : ""}${onnx}`,
    chosen === null ? "no backend works here" : `sessions decode on ${chosen}`,
    ...(advice.length > 0 ? ["to do better:", ...advice.map((line) => `  ${line}`)] : []),
  ];
}
