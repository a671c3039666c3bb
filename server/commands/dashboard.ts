import { Command } from "commander";
import { WATCH_PATH } from "../../protocols/wire/dashboard.ts";
import { noCounts } from "../acquisition/spike-batch.ts";
import { createDecider, refitterSettings } from "../choice/decider.ts";
import { pacedRefits } from "../choice/replay.ts";
import { openDashboard } from "../dashboard/dashboard.ts";
import { sessionInfo, tunablesOf } from "../dashboard/info.ts";
import { ConfigurationError } from "../failure.ts";
import { openModel } from "../model/backends.ts";
import { readModel } from "../model/model-folder.ts";
import { clientFolder } from "../package-root.ts";
import { clientPages } from "../presentation/client-pages.ts";
import { random } from "../random.ts";
import { entryAddress, guardOptions, type Network } from "../security/entry.ts";
import { openWebServer } from "../security/web-server.ts";
import { readSession } from "../session/folder.ts";
import { sessionFolder } from "../session/journal-reader.ts";
import { replayJournal } from "../session/replay.ts";
import type { SessionEvent } from "../session/view.ts";
import { refitsHere } from "../tuning/refits.ts";
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
  const events: { event: SessionEvent; serverMs: number }[] = [];
  const found = await readSession(folder, (event, serverMs) => {
    events.push({ event, serverMs });
  });
  if (!found.decider || !found.model)
    throw new ConfigurationError(`${folder}: expected a session that decided something, found none in its journal`);
  const { settings, seed } = found.decider;
  const refits = pacedRefits(refitsHere(refitterSettings(settings)));
  const decider = createDecider(settings, random(seed).split("decider"), refits);
  say(`reading ${folder}`);
  const { difference } = await replayJournal(folder, { ...settings, decider, refits });
  if (difference)
    say(`warning: decisions come out differently here, first ${difference.what} after trial ${difference.afterTrial}`);
  const model = await readModel(found.model);
  const { decoder } = await openModel(model);
  const { width, height } = model.card.image;
  const experiment = found.progress.changed ?? found.experiment;
  const info = sessionInfo(
    experiment,
    settings.units,
    model.card,
    folder,
    "a past session",
    found.options.rig === "sim" || found.options.virtual === true,
  );
  const dashboard = openDashboard({
    experiment,
    info: { ...info, past: true },
    settings,
    beliefs: async () => decider.beliefs(),
    picture: async (latents) => ({ width, height, pixels: await decoder.decode(Float32Array.from(latents)) }),
    counts: noCounts,
    latency: () => ({}),
    desk: { tunables: () => tunablesOf(experiment, settings.units), undo: () => null },
    failed(error) {
      say(`the page can't be served any more: ${error.message}`);
      process.exitCode = 1;
    },
  });
  for (const { event, serverMs } of events) dashboard.told(event, serverMs);
  dashboard.ended(found.isOver ? "a past session, as it ended" : "a past session that was broken off");
  const guard = await guardOptions(options);
  const server = await openWebServer({
    ...guard,
    port: options.port,
    pages: clientPages(clientFolder),
    sockets: { [WATCH_PATH]: { attend: dashboard.attend } },
  });
  say(`dashboard: ${entryAddress(`${server.url}dashboard`, options, guard.token)}`);
  say("Ctrl-C ends it");
  await new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
  });
  await server.dispose(() => {});
  await dashboard.dispose();
  decoder.dispose();
}
