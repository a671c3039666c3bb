import { once } from "node:events";
import { Argument, Command } from "commander";
import { WebSocket } from "ws";
import {
  decodeOperatorAnswer,
  encodeOperatorCommand,
  OPERATOR_VERSION,
  type OperatorCommand,
  operatorOps,
  unitOps,
} from "../../protocols/wire/operator.ts";
import { ConfigurationError } from "../failure.ts";
import { credentials } from "../security/token.ts";
import { unitWords } from "../session/words.ts";

/** `latentloop operator`: one command to a running session. */
export function operatorCommand(): Command {
  return new Command("operator")
    .summary("Steer a running session: pause, resume, abort; exclude, include or reset a unit")
    .description(
      "Give one command to a running session and print its answer.\n" +
        "pause: no further face is asked for; one that was may still come. abort: ends the session with its summary.\n" +
        "exclude, include: whether a unit counts when faces are chosen. reset: a unit was sorted anew; what was learned of it is forgotten.",
    )
    .addArgument(new Argument("<command>", "what to do").choices([...operatorOps, ...unitOps]))
    .argument("[unit]", "its name, for exclude, include and reset")
    .option("--url <url>", "the running session", "ws://127.0.0.1:8470/operator")
    .option("--token-file <file>", "the session's access token; for a session on this machine your own is found")
    .action(async (op: OperatorCommand["op"], unit: string | undefined, options: OperatorOptions) => {
      const command = commandOf(op, unit);
      const socket = await connect(options);
      socket.send(encodeOperatorCommand(command));
      const [data] = (await Promise.race([
        once(socket, "message"),
        once(socket, "close").then(() => {
          throw new Error("the session ended before it answered");
        }),
      ])) as [Buffer];
      socket.close();
      const answer = decodeOperatorAnswer(data);
      if (!answer.ok) throw new Error(`the session's answer can't be read: ${answer.detail}`);
      if (answer.value.op === "refused") throw new ConfigurationError(answer.value.reason);
      const { state } = answer.value;
      process.stdout.write(
        "unit" in command
          ? `unit ${command.unit}: ${unitWords[command.op]} (the session is ${state})\n`
          : `${op}: the session is ${state}\n`,
      );
    });
}

function commandOf(op: OperatorCommand["op"], unit: string | undefined): OperatorCommand {
  const base = { v: OPERATOR_VERSION, id: 0 } as const;
  const aboutUnit = unitOps.find((known) => known === op);
  if (aboutUnit) {
    if (unit === undefined) throw new ConfigurationError(`${op}: expected the name of a unit after it`);
    return { ...base, op: aboutUnit, unit };
  }
  if (unit !== undefined) throw new ConfigurationError(`${op}: expected nothing after it, got ${unit}`);
  return { ...base, op: operatorOps.find((known) => known === op)! };
}

interface OperatorOptions {
  url: string;
  tokenFile?: string;
}

async function connect({ url, tokenFile }: OperatorOptions): Promise<WebSocket> {
  if (!/^wss?:\/\//.test(url)) throw new ConfigurationError(`--url: expected ws://host:port/operator, got "${url}"`);
  const socket = new WebSocket(url, { headers: await credentials(url, tokenFile) });
  await once(socket, "open").catch((error: Error) => {
    throw new ConfigurationError(`--url ${url}: expected a running session there; ${error.message || "no answer"}`);
  });
  return socket;
}
