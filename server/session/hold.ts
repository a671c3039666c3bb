import { type Observable, Subject } from "rxjs";
import type { OperatorOp } from "../../protocols/wire/operator.ts";
import type { SessionView } from "./view.ts";

/** Pauses a session while something is away that it can't do without. A pause that an operator asked for before stays. */
export interface Hold {
  commands$: Observable<OperatorOp>;
  begin(reason: string): void;
  end(reason: string): void;
}

/** @param state the session's state at this moment */
export function createHold(state: () => SessionView["state"]): Hold {
  const commands$ = new Subject<OperatorOp>();
  const reasons = new Set<string>();
  let pausedIt = false;
  return {
    commands$,
    begin(reason) {
      if (reasons.size === 0) {
        pausedIt = state() !== "paused";
        if (pausedIt) commands$.next("pause");
      }
      reasons.add(reason);
    },
    end(reason) {
      if (reasons.delete(reason) && reasons.size === 0 && pausedIt) commands$.next("resume");
    },
  };
}
