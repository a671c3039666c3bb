import { type Observable, Subject } from "rxjs";
import type { WebSocket } from "ws";
import type { SessionState } from "../../protocols/wire/events.ts";
import {
  decodeOperatorCommand,
  encodeOperatorAnswer,
  OPERATOR_VERSION,
  type OperatorAnswer,
  type OperatorOp,
} from "../../protocols/wire/operator.ts";

/** Where operators' commands come in. Any number of operators; each is answered, and all steer the same session. */
export interface OperatorDesk {
  commands$: Observable<OperatorOp>;
  /** Listens to an operator's socket until it closes; `from` is its address, and only this machine's are let in. */
  attend(socket: WebSocket, from: string): void;
}

/** `state` gives the session's state at this moment. */
export function createOperatorDesk(state: () => SessionState): OperatorDesk {
  const commands = new Subject<OperatorOp>();

  function answer(data: Uint8Array): OperatorAnswer {
    const command = decodeOperatorCommand(data);
    if (!command.ok) return { v: OPERATOR_VERSION, id: null, op: "refused", reason: command.detail };
    const { id, op } = command.value;
    const reason = refusal(op, state());
    if (reason) return { v: OPERATOR_VERSION, id, op: "refused", reason };
    commands.next(op);
    return { v: OPERATOR_VERSION, id, op: "done", state: op === "abort" ? "ended" : state() };
  }

  return {
    commands$: commands.asObservable(),
    attend(socket, from) {
      if (!isLoopback(from)) return refuse(socket, "expected an operator on the server's own machine");
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

const isLoopback = (address: string): boolean => /^(::ffff:)?127\.|^::1$/.test(address);

function refusal(op: OperatorOp, state: SessionState): string | null {
  if (op === "pause" && state !== "running") return `expected a running session to pause, but it is ${state}`;
  if (op === "resume" && state !== "paused") return `expected a paused session to resume, but it is ${state}`;
  return null;
}
