import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Command } from "commander";
import { WATCH_PATH } from "../../protocols/wire/dashboard.ts";
import { LOBBY_PATH, SESSION_FIELD } from "../../protocols/wire/sessions.ts";
import { openPast } from "../dashboard/past.ts";
import { openLobby } from "../lobby/lobby.ts";
import { clientFolder } from "../package-root.ts";
import { clientPages } from "../presentation/client-pages.ts";
import { entryAddress, guardOptions, type Network } from "../security/entry.ts";
import { openWebServer, type WebServerOptions } from "../security/web-server.ts";
import { JOURNAL_FILE } from "../session/journal.ts";
import { sessionFolder } from "../session/journal-reader.ts";
import { withNetworkOptions } from "./network.ts";

interface DashboardOptions extends Network {
  experiments: string;
}

const say = (line: string) => process.stderr.write(`${line}\n`);

/** `latentloop dashboard`: past sessions in the pages that showed them while they ran, and dry runs. */
export function dashboardCommand(): Command {
  const command = new Command("dashboard")
    .summary("List sessions, open past ones in the operator's page, start dry runs")
    .description(
      "List the sessions of a folder, and open past ones, read-only, in the page that shows a running one: every decision is made again from\n" +
        "the journal, so that curves, intervals and rasters can be seen as they were after any trial. From the list a dry run is started, with the\n" +
        "simulated rig.",
    )
    .argument("[folder]", "a folder of sessions; or one session's, to open it at once", "sessions")
    .option("--experiments <folder>", "experiment files of yours, beside those that ship", "experiments");
  return withNetworkOptions(command).action((path: string, options: DashboardOptions) =>
    existsSync(join(sessionFolder(path), JOURNAL_FILE))
      ? showOne(sessionFolder(path), options)
      : showAll(path, options),
  );
}

async function showAll(folder: string, options: DashboardOptions): Promise<void> {
  await mkdir(folder, { recursive: true });
  const { experiments, ...network } = options;
  const lobby = openLobby({ folder, experiments, network, said: say });
  await serve(
    "sessions",
    options,
    {
      pages: clientPages(clientFolder, "sessions"),
      sockets: {
        [LOBBY_PATH]: { attend: lobby.attend },
        [WATCH_PATH]: { attend: (socket, _, query) => lobby.watch(socket, query.get(SESSION_FIELD) ?? "") },
      },
    },
    lobby.dispose,
  );
}

async function showOne(folder: string, options: DashboardOptions): Promise<void> {
  say(`reading ${folder}`);
  const past = await openPast(folder, (error) => {
    say(`the page can't be served any more: ${error.message}`);
    process.exitCode = 1;
  });
  await serve(
    "dashboard",
    options,
    { pages: clientPages(clientFolder, "dashboard"), sockets: { [WATCH_PATH]: { attend: past.attend } } },
    past.dispose,
  );
}

/** Serves a page until Ctrl-C. */
async function serve(
  page: string,
  options: Network,
  served: Pick<WebServerOptions, "pages" | "sockets">,
  dispose: () => Promise<void>,
): Promise<void> {
  const guard = await guardOptions(options);
  const server = await openWebServer({ ...guard, port: options.port, ...served });
  say(`${page}: ${entryAddress(`${server.url}${page}`, options, guard.token)}`);
  say("Ctrl-C ends it");
  await new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
  });
  await server.dispose(() => {});
  await dispose();
}
