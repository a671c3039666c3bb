/** Now on the server's clock (`serverMs`): milliseconds since the Unix epoch, monotonic within a process, finer than 1 ms. */
export const serverNow = (): number => performance.timeOrigin + performance.now();
