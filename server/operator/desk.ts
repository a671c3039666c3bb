import { type Observable, Subject } from "rxjs";
import type { WebSocket } from "ws";
import type { Experiment } from "../../protocols/experiment.ts";
import type { SessionState } from "../../protocols/wire/events.ts";
import {
  decodeOperatorCommand,
  encodeOperatorAnswer,
  OPERATOR_VERSION,
  type OperatorAnswer,
  type OperatorCommand,
  type OperatorOp,
  type UnitOrder,
} from "../../protocols/wire/operator.ts";
import { type Changed, createTunables, type Tunables } from "./tunables.ts";

/** What is done between two trials (SPEC.md, O4 to O6): the loop says when it has been. */
export type SettingOrder = ({ op: "change" } & Changed) | { op: "stability"; faces: number };

/** Where operators' commands come in. Any number of operators; each is answered, and all steer the same session. */
export interface OperatorDesk {
  commands$: Observable<OperatorOp>;
  /** Orders about single units. */
  unitOrders$: Observable<UnitOrder>;
  settingOrders$: Observable<SettingOrder>;
  /** Notes, each said once. */
  marks$: Observable<string>;
  tunables: Tunables;
  /** Listens to an operator's socket until it closes. Who may come here is the guard's to say. */
  attend(socket: WebSocket): void;
}

/**
 * @param state the session's state at this moment
 * @param units the session's units
 */
export function createOperatorDesk(
  state: () => SessionState,
  units: readonly string[],
  experiment: Experiment,
): OperatorDesk {
  const commands = new Subject<OperatorOp>();
  const unitOrders = new Subject<UnitOrder>();
  const settingOrders = new Subject<SettingOrder>();
  const marks = new Subject<string>();
  const tunables = createTunables(experiment, units);

  /** Does what is asked; why not, or null. */
  function obey(command: OperatorCommand): string | null {
    if ("unit" in command) {
      const { op, unit } = command;
      if (!units.includes(unit)) return `expected one of this session's units (${units.join(", ")}), got ${unit}`;
      unitOrders.next({ op, unit });
      return null;
    }
    switch (command.op) {
      case "mark":
        marks.next(command.text);
        return null;
      case "change":
      case "undo": {
        const done = command.op === "change" ? tunables.change(command.change) : tunables.undo();
        if ("refused" in done) return done.refused;
        settingOrders.next({ op: "change", ...done });
        return null;
      }
      case "stability":
        settingOrders.next({ op: "stability", faces: command.faces });
        return null;
      default: {
        const reason = refusal(command.op, state());
        if (reason === null) commands.next(command.op);
        return reason;
      }
    }
  }

  function answer(data: Uint8Array): OperatorAnswer {
    const command = decodeOperatorCommand(data);
    if (!command.ok) return { v: OPERATOR_VERSION, id: null, op: "refused", reason: command.detail };
    const { id, op } = command.value;
    const reason = obey(command.value);
    if (reason !== null) return { v: OPERATOR_VERSION, id, op: "refused", reason };
    return { v: OPERATOR_VERSION, id, op: "done", state: op === "abort" ? "ended" : state() };
  }

  return {
    commands$: commands.asObservable(),
    unitOrders$: unitOrders.asObservable(),
    settingOrders$: settingOrders.asObservable(),
    marks$: marks.asObservable(),
    tunables,
    attend(socket) {
      if (!commands.observed) return refuse(socket, "expected a session that has begun; try again in a moment");
      socket.on("message", (data: Buffer) => socket.send(encodeOperatorAnswer(answer(data))));
      socket.on("error", () => socket.terminate());
    },
  };
}

function refuse(socket: WebSocket, reason: string): void {
  socket.send(encodeOperatorAnswer({ v: OPERATOR_VERSION, id: null, op: "refused", reason }));
  socket.close();
}

/** Why a command makes no sense in a state, or null. */
export function refusal(op: OperatorOp, state: SessionState): string | null {
  if (op === "pause" && state !== "running") return `expected a running session to pause, but it is ${state}`;
  if (op === "resume" && state !== "paused") return `expected a paused session to resume, but it is ${state}`;
  if (op === "skip" && state !== "running") return `expected a running session to skip a face of, but it is ${state}`;
  return null;
}
