import { Command } from "commander";
import { ConfigurationError } from "../failure.ts";
import { agrees, measureApart, trainingTolerance } from "../model/doctor/doctor.ts";
import { type LinkOptions, linkTensorFlow, triedTensorFlow } from "../model/native/link.ts";

/** `latentloop link-tensorflow`: native TensorFlow from a Python wheel. */
export function linkTensorflowCommand(): Command {
  return new Command("link-tensorflow")
    .description(
      "Build tfjs-node against the TensorFlow of a Python wheel: for machines that cannot reach its own download, and for GPUs that its library of 2022 does not know",
    )
    .option("--gpu", "the wheel with CUDA, and tfjs-node-gpu", false)
    .option("--wheel <what>", `a wheel file, or what pip is asked for (default: tensorflow-cpu==${triedTensorFlow})`)
    .option("--installed", "use the TensorFlow that is installed in --python instead of fetching one", false)
    .option("--python <program>", "the Python whose pip, or whose TensorFlow, is used", "python3")
    .option("--compiler <program>", "the C++ compiler", "g++")
    .action(async (options: LinkOptions) => {
      const say = (line: string) => process.stderr.write(`${line}\n`);
      if (options.installed && options.wheel !== undefined)
        throw new ConfigurationError("expected --wheel or --installed, found both");
      const linked = await linkTensorFlow(options, say);
      say("comparing a decode and a training step with wasm");
      const name = options.gpu ? "tfjs-node-gpu" : "tfjs-node";
      const finding = await measureApart(name, "wasm");
      if (!finding.works) throw new Error(`${linked.package} was built and does not work: ${finding.reason}`);
      const { pixelsOff, trainingOff, trainingMs } = finding.measured;
      if (!agrees(finding.measured) || trainingOff === null || trainingOff > trainingTolerance)
        throw new Error(
          `${linked.package} was built and computes otherwise than wasm: pixels off by ${pixelsOff} of 255, loss and gradients by ${trainingOff}`,
        );
      say(
        `${name} works: pixels within ${pixelsOff} of 255 and gradients within ${trainingOff.toExponential(1)} of wasm's; a training step of 32 takes ${trainingMs?.toFixed(0)} ms`,
      );
      say(
        "`npm ci` and `npm install` remove it again; this command then brings it back (the wheel is kept in .cache/)",
      );
    });
}
