import type { Command, Connection } from "./connection.ts";
import type { Store } from "./store.ts";

/** One of the page's views. Made once; updated only while it is the one that is looked at. */
export interface View {
  element: HTMLElement;
  update(store: Store): void;
  /** It has come to the front, or has gone. */
  shown?(): void;
  hidden?(): void;
  /** Colours are others from now on. */
  themed?(): void;
}

/** What views may ask of the page. */
export interface Page {
  connection: Connection;
  /** Sends a command and says at the bottom of the page what came of it. */
  command(command: Command, done?: string): Promise<boolean>;
  open(view: string): void;
  openUnit(unit: string): void;
}
