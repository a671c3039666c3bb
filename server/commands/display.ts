import { Command } from "commander";
import { describeSummary, runHeadlessDisplay } from "../../sim/display/headless.ts";
import { credentials } from "../security/token.ts";

/** `latentloop display`: a display without a screen, against a server that is running. */
export function displayCommand(): Command {
  return new Command("display")
    .description("Run a display without a screen against a running server, to rehearse a session or test a rig")
    .option("--url <url>", "where the server takes displays", "ws://127.0.0.1:8470/display")
    .option("--token-file <file>", "the server's access token; for a server on this machine your own is found")
    .action(async ({ url, tokenFile }: { url: string; tokenFile?: string }) => {
      const display = await runHeadlessDisplay({ url, headers: await credentials(url, tokenFile) });
      for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void display.dispose());
      process.stderr.write(`display connected to ${url}; Ctrl-C ends it\n`);
      const reason = await display.closed;
      process.stderr.write(`display ended: ${reason}; ${describeSummary(display.summary)}\n`);
    });
}
