import { existsSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import sirv from "sirv";
import { ConfigurationError } from "../failure.ts";

/** Isolation makes the page's `performance.now()` step 5 µs instead of 100. */
const isolation = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cache-Control": "no-cache",
};

const notBuilt = `<!doctype html><title>latentloop display</title>
<p>The display's page has not been built. Run <code>npm run build</code> and reload.</p>
`;

/** An HTTP server for the built pages in `folder`; not listening yet. */
export function servePages(folder: string): Server {
  if (!existsSync(join(folder, "index.html"))) {
    return createServer((_request, response) => {
      response.writeHead(503, { "Content-Type": "text/html; charset=utf-8", ...isolation }).end(notBuilt);
    });
  }
  const pages = sirv(folder, { setHeaders: (response) => response.setHeaders(new Map(Object.entries(isolation))) });
  return createServer((request, response) =>
    pages(request, response, () => {
      response.writeHead(404, { "Content-Type": "text/plain" }).end("No such page.\n");
    }),
  );
}

/** Listens and gives the port; port 0 is any free one. Throws ConfigurationError where it cannot. */
export function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(listenFailure(error, host, port)));
    server.listen(port, host, () => resolve((server.address() as { port: number }).port));
  });
}

function listenFailure(error: NodeJS.ErrnoException, host: string, port: number): Error {
  switch (error.code) {
    case "EADDRINUSE":
      return new ConfigurationError(
        `port ${port} on ${host} is in use: is another session running? Stop it, or take any free port with --port 0`,
      );
    case "EACCES":
      return new ConfigurationError(
        `port ${port} on ${host} needs rights that this user does not have: try --port 8470`,
      );
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return new ConfigurationError(`${host} is not an address of this machine: try --host 127.0.0.1`);
    default:
      return error;
  }
}
