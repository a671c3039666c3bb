/** What a live session stands on: model, workers, sockets and processes, opened in this order. */
import type { WebSocket } from "ws";
import type { Experiment } from "../protocols/experiment.ts";
import { WATCH_PATH } from "../protocols/wire/dashboard.ts";
import type { SessionState } from "../protocols/wire/events.ts";
import { OPERATOR_PATH } from "../protocols/wire/operator.ts";
import { createPopulation, populationFault, standInNames } from "../sim/neurons/unit.ts";
import { type Acquisition, openAcquisition, together } from "./acquisition/acquisition.ts";
import { createRoster, type Roster } from "./acquisition/roster.ts";
import { openTrodes } from "./acquisition/trodes/trodes.ts";
import type { DeciderData } from "./choice/decider.ts";
import type { DeciderService } from "./choice/decider-worker.ts";
import type { DeciderSupervision } from "./choice/supervised-decider.ts";
import { ConfigurationError } from "./failure.ts";
import { openGateSocket } from "./gate/gate-socket.ts";
import type { BackendName } from "./model/backend-name.ts";
import { experimentModel } from "./model/experiment-model.ts";
import { openSynthesis } from "./model/synthesis.ts";
import { createOperatorDesk } from "./operator/desk.ts";
import { clientFolder } from "./package-root.ts";
import { openDisplayServer } from "./presentation/display-server.ts";
import { createLuminance } from "./presentation/luminance.ts";
import { welcomeOf } from "./presentation/welcome.ts";
import { random } from "./random.ts";
import { admitOnly, type Keys, readKeys } from "./security/curve.ts";
import { guardOptions, type Network } from "./security/entry.ts";
import type { Disposers } from "./session/disposers.ts";
import { openPublicEvents } from "./session/public-events.ts";
import { deciderSettings } from "./session/settings.ts";
import type { WorkerState } from "./session/view.ts";
import { forkHeadlessDisplay, forkSimulatedRig } from "./simulated-edges.ts";
import type { WorkerHandle } from "./worker.ts";

export interface LiveOptions extends Network {
  /** Path of the experiment file: a model folder is relative to it. */
  experimentFile: string;
  /** "sim", or the endpoint of the recording system (sub: its PUB; pull: where to listen). */
  rig: string;
  /** What the simulated rig speaks. */
  rigFormat: "latentloop" | "open-ephys";
  display: "browser" | "headless";
  /** Where the public events are published. */
  events: string;
  /** Key file that encrypts spikes, gate and public events; left out: they are not. */
  keys?: string;
  backend?: BackendName;
  /** Folder that session folders are made in. */
  out: string;
  /** The first face waits until an operator resumes the session. */
  hold?: boolean;
}

interface Surroundings {
  /** The session's state at this moment, for operators. */
  state(): SessionState;
  /** Takes everything that is opened. */
  disposers: Disposers;
  /** Told of what breaks later. */
  failed(error: Error): void;
  /** Told of a thread that is lost and replaced. */
  supervision(worker: WorkerState["worker"]): Omit<DeciderSupervision, "journalled">;
  openDecider(data: DeciderData): WorkerHandle<DeciderService>;
  /** The experiment as operators had changed it, in a session that goes on; null: as it began. */
  changed: Experiment | null;
  /** Told of each message of the gate that can't be used. */
  gateRejected(detail: string): void;
}

/** @throws ConfigurationError for what the user must mend: model, units, backend, ports, addresses */
export async function openLiveEdges(
  experiment: Experiment,
  options: LiveOptions,
  /** The decider of a session that goes on, and what it was started with; null for a new one. */
  goingOn: { data: DeciderData; decider: WorkerHandle<DeciderService> } | null,
  { state, disposers, failed, supervision, openDecider, changed, gateRejected }: Surroundings,
) {
  const model = await experimentModel(experiment, options.experimentFile);
  const truth = options.rig === "sim" ? simulatedUnits(experiment) : null;
  const roster = createRoster(truth ?? recordedUnits(experiment));
  const units = [...roster.names];

  const keys = options.keys === undefined ? null : await readKeys(options.keys);
  if (keys) {
    if (!truth && experiment.recording.format !== "latentloop")
      throw new ConfigurationError(
        `--keys: expected recording.format latentloop, found ${experiment.recording.format}, whose own sockets can't be encrypted`,
      );
    disposers.opened(await admitOnly(keys));
  }
  const events = disposers.opened(await openPublicEvents(options.events, keys));
  // A process, which begins while the model is loaded.
  const beginning = truth
    ? forkSimulatedRig(experiment, events.address, options.rigFormat, options.keys ?? null, failed)
    : null;
  // Where it can't begin, that is told below, if nothing else is by then.
  const ended = beginning?.then(
    ({ dispose }) => dispose,
    () => () => {},
  );
  disposers.keep(ended, async (dispose) => (await dispose)?.());
  const synthesis = disposers.opened(
    await openSynthesis(
      {
        modelFolder: model.folder,
        forced: options.backend ?? null,
        readBack: readsBack(experiment, truth !== null)
          ? { range: experiment.choice.range, threshold: experiment.validity.threshold }
          : null,
      },
      supervision("synthesis"),
    ),
  );
  const deciderData: DeciderData = goingOn?.data ?? {
    settings: deciderSettings(experiment, units, synthesis.validity?.region ?? null),
    seed: experiment.seed,
  };
  const decider = goingOn?.decider ?? openDecider(deciderData);
  if (!goingOn) decider.call("warmUp").catch(failed);
  const { image } = model.card;
  const luminance = createLuminance(experiment);
  const guard = await guardOptions(options);
  const desk = createOperatorDesk(state, units, changed ?? experiment);
  const watchDoor = closedDoor();
  const display = disposers.opened(
    await openDisplayServer({
      others: {
        [OPERATOR_PATH]: desk,
        [WATCH_PATH]: { attend: (socket) => watchDoor.attend(socket) },
      },
      ...guard,
      port: options.port,
      clientFolder,
      welcome: welcomeOf(experiment, image, luminance),
    }),
  );
  const headless = options.display === "headless" ? disposers.opened(forkHeadlessDisplay(failed)) : null;
  const rig = await beginning;
  const acquisition = disposers.opened(
    rig
      ? await openAcquisition({
          address: rig.address,
          socket: "sub",
          format: options.rigFormat,
          roster,
          streams: [],
          keys,
        })
      : await openRecording(experiment, options.rig, roster, keys),
  );
  const gate = experiment.gate
    ? disposers.opened(await openGateSocket({ ...experiment.gate, keys, rejected: gateRejected }))
    : null;
  // `truth`: the simulated units, null for a real recording; `rigOriginMs`: server time at their stream's time 0.
  return {
    model,
    truth,
    units,
    synthesis,
    decider,
    deciderData,
    desk,
    watchDoor,
    display,
    headless,
    displayToken: guard.token,
    events,
    acquisition,
    gate,
    luminance,
    rigOriginMs: rig?.originMs ?? null,
  };
}

/** Where dashboards come in, once there is something to see; a page that is turned away tries again. */
const closedDoor = (): { attend(socket: WebSocket): void } => ({
  attend: (socket) => socket.close(1013, "the session has not begun yet"),
});

/** Throws ConfigurationError where an experiment has no simulated units. */
export function simulatedUnits(experiment: Experiment) {
  const { simulation, latents, seed } = experiment;
  if (!simulation) throw new ConfigurationError("simulation: expected the simulated units' kinds, found nothing");
  const fault = populationFault(simulation, experiment);
  if (fault) throw new ConfigurationError(`simulation: ${fault}`);
  return createPopulation(simulation, latents, random(seed).split("population"), standInNames(experiment));
}

/** Whether faces are read back and explain trials as they came out. */
const readsBack = ({ validity }: Experiment, simulated: boolean): boolean =>
  validity.regressor === "realised" || (validity.regressor === "auto" && !simulated);

/** One socket for each address that a followed stream has. */
async function openRecording(
  { recording: { format, socket, stream, sampleRate, streams } }: Experiment,
  address: string,
  roster: Roster,
  keys: Keys | null,
): Promise<Acquisition> {
  if (format === "trodes") return openTrodes({ address, roster, ...(sampleRate && { sampleRate }) });
  const followed = streams.map((one) => ({
    ...one,
    sampleRate: one.sampleRate ?? null,
    address: one.address ?? address,
  }));
  if (stream !== undefined) followed.push({ name: stream, sampleRate: sampleRate ?? null, address });
  const addresses = [...new Set(followed.length > 0 ? followed.map((one) => one.address) : [address])];
  const opened: Acquisition[] = [];
  try {
    for (const at of addresses)
      opened.push(
        await openAcquisition({
          address: at,
          socket,
          format,
          roster,
          heartbeat: format === "open-ephys" && socket === "sub",
          keys,
          streams: followed.filter((one) => one.address === at),
          ...(sampleRate && { sampleRate }),
        }),
      );
  } catch (error) {
    for (const one of opened) one.dispose();
    throw error;
  }
  return together(opened);
}

function recordedUnits({ recording }: Experiment) {
  if (recording.units.length === 0)
    throw new ConfigurationError("recording.units: expected at least one unit for a real rig, found none");
  return recording.units;
}
