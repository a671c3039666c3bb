import { existsSync } from "node:fs";
import type { RequestListener } from "node:http";
import { join } from "node:path";
import sirv from "sirv";

const notBuilt = `<!doctype html><title>latentloop display</title>
<p>The display's page has not been built. Run <code>npm run build</code> and reload.</p>
`;

/** Answers requests for the built pages in `folder`; only files that lie in it now are ever served. */
export function clientPages(folder: string): RequestListener {
  if (!existsSync(join(folder, "index.html"))) {
    return (_request, response) => {
      response.writeHead(503, { "Content-Type": "text/html; charset=utf-8" }).end(notBuilt);
    };
  }
  const pages = sirv(folder);
  return (request, response) =>
    pages(request, response, () => {
      response.writeHead(404, { "Content-Type": "text/plain" }).end("No such page.\n");
    });
}
