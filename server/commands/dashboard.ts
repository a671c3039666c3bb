import { Command } from "commander";
import { WATCH_PATH } from "../../protocols/wire/dashboard.ts";
import { openPast } from "../dashboard/past.ts";
import { clientFolder } from "../package-root.ts";
import { clientPages } from "../presentation/client-pages.ts";
import { entryAddress, guardOptions, type Network } from "../security/entry.ts";
import { openWebServer } from "../security/web-server.ts";
import { sessionFolder } from "../session/journal-reader.ts";
import { withNetworkOptions } from "./network.ts";

/** `latentloop dashboard`: a past session in the pages that showed it while it ran. */
export function dashboardCommand(): Command {
  const command = new Command("dashboard")
    .summary("Open a past session in the operator's page")
    .description(
      "Open a past session, read-only, in the page that shows a running one: every decision is made again from its journal, so that curves,\n" +
        "intervals and rasters are those of its end.",
    )
    .argument("<session>", "a session's folder");
  return withNetworkOptions(command).action(show);
}

async function show(path: string, options: Network & { port: number }): Promise<void> {
  const say = (line: string) => process.stderr.write(`${line}\n`);
  const folder = sessionFolder(path);
  say(`reading ${folder}`);
  const past = await openPast(folder, (error) => {
    say(`the page can't be served any more: ${error.message}`);
    process.exitCode = 1;
  });
  const guard = await guardOptions(options);
  const server = await openWebServer({
    ...guard,
    port: options.port,
    pages: clientPages(clientFolder),
    sockets: { [WATCH_PATH]: { attend: past.attend } },
  });
  say(`dashboard: ${entryAddress(`${server.url}dashboard`, options, guard.token)}`);
  say("Ctrl-C ends it");
  await new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
  });
  await server.dispose(() => {});
  await past.dispose();
}
