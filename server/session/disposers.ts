/** What has been opened, closed in reverse order. */
export class Disposers {
  readonly #stack: (() => void | Promise<void>)[] = [];

  /** Keeps a way to close something, and gives the thing back. */
  keep<T>(thing: T, dispose: (thing: T) => void | Promise<void>): T {
    this.#stack.push(() => dispose(thing));
    return thing;
  }

  /** Keeps something that can dispose of itself, and gives it back. */
  opened<T extends { dispose(): unknown }>(thing: T): T {
    return this.keep(thing, async () => void (await thing.dispose()));
  }

  /** Closes everything; one failure does not keep the rest open. Throws the first failure at the end. */
  async dispose(): Promise<void> {
    const failures: unknown[] = [];
    for (let dispose = this.#stack.pop(); dispose; dispose = this.#stack.pop()) {
      try {
        await dispose();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
