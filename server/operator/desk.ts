import { type Observable, Subject } from "rxjs";
import type { WebSocket } from "ws";
import type { SessionState } from "../../protocols/wire/events.ts";
import {
  decodeOperatorCommand,
  encodeOperatorAnswer,
  OPERATOR_VERSION,
  type OperatorAnswer,
  type OperatorOp,
  type UnitOrder,
} from "../../protocols/wire/operator.ts";

/** Where operators' commands come in. Any number of operators; each is answered, and all steer the same session. */
export interface OperatorDesk {
  commands$: Observable<OperatorOp>;
  /** Orders about single units. */
  unitOrders$: Observable<UnitOrder>;
  /** Listens to an operator's socket until it closes. Who may come here is the guard's to say. */
  attend(socket: WebSocket): void;
}

/**
 * @param state the session's state at this moment
 * @param units the session's units
 */
export function createOperatorDesk(state: () => SessionState, units: readonly string[]): OperatorDesk {
  const commands = new Subject<OperatorOp>();
  const unitOrders = new Subject<UnitOrder>();

  function answer(data: Uint8Array): OperatorAnswer {
    const command = decodeOperatorCommand(data);
    if (!command.ok) return { v: OPERATOR_VERSION, id: null, op: "refused", reason: command.detail };
    const { id } = command.value;
    if ("unit" in command.value) {
      const { op, unit } = command.value;
      if (!units.includes(unit)) {
        const reason = `expected one of this session's units (${units.join(", ")}), got ${unit}`;
        return { v: OPERATOR_VERSION, id, op: "refused", reason };
      }
      unitOrders.next({ op, unit });
      return { v: OPERATOR_VERSION, id, op: "done", state: state() };
    }
    const { op } = command.value;
    const reason = refusal(op, state());
    if (reason) return { v: OPERATOR_VERSION, id, op: "refused", reason };
    commands.next(op);
    return { v: OPERATOR_VERSION, id, op: "done", state: op === "abort" ? "ended" : state() };
  }

  return {
    commands$: commands.asObservable(),
    unitOrders$: unitOrders.asObservable(),
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
  return null;
}
