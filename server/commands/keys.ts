import { Command } from "commander";
import { makeKeys } from "../security/curve.ts";

/** `latentloop keys`: a key file for ZeroMQ between machines. */
export function keysCommand(): Command {
  return new Command("keys")
    .summary("Make a key file that encrypts what goes over ZeroMQ")
    .description(
      "Make a key file that encrypts spikes, gate and public events between machines (CurveZMQ). Copy it to each machine of the rig by a\n" +
        "safe way, and give it with --keys; who has the file can connect, nobody else can.",
    )
    .argument("[file]", "where it is written, readable by you alone", "rig.key")
    .addHelpText(
      "after",
      `
Example:
  $ npx latentloop keys rig.key
  $ npx latentloop run my-experiment.yaml --rig tcp://recording-pc:5556 --events tcp://*:5570 --keys rig.key`,
    )
    .action(async (file: string) => {
      await makeKeys(file);
      process.stderr.write(`${file} is written; copy it to each machine of the rig, and give it with --keys\n`);
    });
}
