import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Command, Option } from "commander";
import { filter, firstValueFrom, takeUntil, timer } from "rxjs";
import { ConfigurationError } from "../failure.ts";
import { clientFolder } from "../package-root.ts";
import { type DisplayReport, plotIntervals, reportDisplay } from "../presentation/display-report.ts";
import { type DisplayEvent, type DisplayServer, openDisplayServer } from "../presentation/display-server.ts";
import { createLuminance } from "../presentation/luminance.ts";
import { entryAddress, guardOptions, type Network } from "../security/entry.ts";
import { readExperiment } from "../session/experiment-file.ts";
import { forkHeadlessDisplay, type HeadlessDisplayProcess } from "../simulated-edges.ts";
import { withNetworkOptions } from "./network.ts";
import { numberOption } from "./options.ts";
import { createProgress } from "./progress.ts";

interface TestOptions extends Network {
  experiment?: string;
  flashes: number;
  on: number;
  period: number;
  display: "browser" | "headless";
  wait: number;
  out: string;
  json: boolean;
}

/** `latentloop display-test`: how well a display keeps its frames. */
export function displayTestCommand(): Command {
  const command = new Command("display-test")
    .summary("Measure a display: intervals, dropped frames, onset error")
    .description(
      "Flash a white square and measure what a methods section says of a display: the intervals between frames, dropped frames and the\n" +
        "error of onsets, as JSON and a plot. The photodiode's patch changes at each flash, so the recording system can be checked too.",
    )
    .option("--experiment <file>", "take background and patch from an experiment file")
    .option("--flashes <n>", "how many", numberOption("--flashes", { min: 2, max: 1_000_000, whole: true }), 1000)
    .option("--on <ms>", "how long each is on", numberOption("--on", { min: 1, max: 60_000 }), 50)
    .option("--period <ms>", "from one to the next", numberOption("--period", { min: 1, max: 60_000 }), 100)
    .addOption(
      new Option("--display <kind>", "browser: open the page that is printed; headless: a process without a screen")
        .choices(["browser", "headless"])
        .default("browser"),
    );
  return withNetworkOptions(command)
    .option("--wait <s>", "how long to wait for the display", numberOption("--wait", { min: 1 }), 300)
    .option("--out <folder>", "where display-test.json and display-test.svg go", ".")
    .option("--json", "print the JSON on stdout too", false)
    .addHelpText("after", "\nFull screen (f), nothing else running, the screen that the experiment will use.")
    .action(run);
}

const SIDE = 8;
const FACE = 0;

async function run(options: TestOptions): Promise<void> {
  if (options.on > options.period)
    throw new ConfigurationError(`--on: expected at most --period (${options.period} ms), got ${options.on}`);
  const experiment = options.experiment === undefined ? null : await readExperiment(options.experiment);
  const guard = await guardOptions(options);
  const server = await openDisplayServer({
    ...guard,
    port: options.port,
    clientFolder,
    welcome: {
      session: "display-test",
      width: SIDE,
      height: SIDE,
      background: experiment ? createLuminance(experiment).level(experiment.stimulus.background) : 0.5,
      placement: null,
      fixation: null,
      faceFraction: experiment?.stimulus.faceFraction ?? 0.6,
      photodiode: experiment?.stimulus.photodiode ?? { corner: "bottom-right", sizePx: 60, codeBits: 0 },
    },
  });
  let headless: HeadlessDisplayProcess | null = null;
  try {
    const flashed = flash(server, options);
    if (options.display === "headless") {
      headless = forkHeadlessDisplay((error) => process.stderr.write(`${error.message}\n`));
      headless.connect({ url: server.socketUrl, token: guard.token });
    } else
      process.stderr.write(
        `open ${entryAddress(server.url, options, guard.token)} in a browser, press f for full screen\n`,
      );
    const report = await flashed;
    await mkdir(options.out, { recursive: true });
    const path = (type: string) => join(options.out, `display-test.${type}`);
    await writeFile(path("json"), `${JSON.stringify(report, null, 2)}\n`);
    await writeFile(path("svg"), plotIntervals(report));
    process.stderr.write(`${describe(report)}\nwritten: ${path("json")}, ${path("svg")}\n`);
    if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`);
  } finally {
    await server.dispose("the display test has ended");
    await headless?.dispose();
  }
}

/** Asks for each flash when the one before is on; ends after the last, or with what there is where the display goes away. */
async function flash(server: DisplayServer, { flashes, on, period, wait }: TestOptions): Promise<DisplayReport> {
  const shown: Extract<DisplayEvent, { type: "shown" }>[] = [];
  const hidden: Extract<DisplayEvent, { type: "hidden" }>[] = [];
  let display = { agent: "", frameMs: 0 };
  let screen: DisplayReport["screen"] = null;
  const progress = createProgress("flashes", flashes);
  const ask = (presentation: number) =>
    server.send({ op: "show", presentation, face: FACE, onMs: on, periodMs: presentation === 0 ? null : period });
  const handle = (event: DisplayEvent) => {
    switch (event.type) {
      case "connected":
        display = { agent: event.agent, frameMs: event.frameMs };
        server.send({ op: "face", face: FACE, width: SIDE, height: SIDE, pixels: white() });
        return;
      case "geometry":
        screen = { widthPx: event.widthPx, heightPx: event.heightPx };
        return;
      case "ready":
        return ask(0);
      case "shown":
        shown.push(event);
        progress.update(shown.length);
        if (shown.length < flashes) ask(shown.length);
        return;
      case "hidden":
        hidden.push(event);
    }
  };
  server.events$.subscribe(handle);
  const connected$ = server.events$.pipe(filter(({ type }) => type === "connected"));
  const ended$ = server.events$.pipe(
    filter(({ type }) => type === "lost" || (type === "hidden" && hidden.length >= flashes)),
  );
  try {
    const came = await firstValueFrom(connected$.pipe(takeUntil(timer(1000 * wait))), { defaultValue: null });
    if (came === null) throw new ConfigurationError(`--wait: expected a display within ${wait} s, none came`);
    await firstValueFrom(ended$);
  } finally {
    progress.stop();
  }
  return reportDisplay({ ...display, screen, asked: { onMs: on, periodMs: period } }, shown, hidden);
}

const white = () => new Uint8Array(4 * SIDE * SIDE).fill(255);

function describe(report: DisplayReport): string {
  const { hz, intervalsMs, dropped, onsetErrorMs, planned, frameMs, flashes, lateFlashes, longFlashes } = report;
  const ms = (value: number) => `${value.toFixed(2)} ms`;
  return [
    `${flashes} flashes at ${hz.toFixed(2)} Hz: ${planned.onFrames} frames (${ms(planned.onFrames * frameMs)}) of ${planned.periodFrames} (${ms(planned.periodFrames * frameMs)})`,
    `intervals between frames: median ${ms(intervalsMs.p50)}, p99 ${ms(intervalsMs.p99)}, longest ${ms(intervalsMs.max)} (${intervalsMs.n})`,
    `frames dropped: ${dropped.frames}, before ${dropped.flashes} flashes; late flashes ${lateFlashes}, too long ${longFlashes}`,
    `onset error: median ${ms(onsetErrorMs.p50)}, p99 ${ms(onsetErrorMs.p99)}, worst ${ms(onsetErrorMs.max)}`,
  ].join("\n");
}
