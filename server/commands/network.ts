import type { Command } from "commander";
import { ownTokenFile } from "../security/token.ts";
import { numberOption } from "./options.ts";

/** Adds the options of a command that serves displays, as `Network` has them. */
export const withNetworkOptions = (command: Command): Command =>
  command
    .option("--host <address>", "address that displays connect to", "127.0.0.1")
    .option(
      "--port <n>",
      "port that displays connect to; 0 for any",
      numberOption("--port", { min: 0, max: 65535, whole: true }),
      8470,
    )
    .option(
      "--token-file <file>",
      "where the access token is kept that any --host but this machine's own asks for",
      ownTokenFile,
    )
    .option("--allow-host <name...>", "further names that this machine is reached by", []);
