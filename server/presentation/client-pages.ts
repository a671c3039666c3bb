import { existsSync } from "node:fs";
import type { RequestListener } from "node:http";
import { join } from "node:path";
import sirv from "sirv";

const notBuilt = `<!doctype html><title>latentloop display</title>
<p>The display's page has not been built. Run <code>npm run build</code> and reload.</p>
`;

export const arePagesBuilt = (folder: string): boolean => existsSync(join(folder, "index.html"));

/**
 * Answers requests for the built pages in `folder`; only files that lie in it now are ever served.
 *
 * @param home the page that stands at /, where it is not the display's
 */
export function clientPages(folder: string, home?: string): RequestListener {
  if (!arePagesBuilt(folder)) {
    return (_request, response) => {
      response.writeHead(503, { "Content-Type": "text/html; charset=utf-8" }).end(notBuilt);
    };
  }
  const pages = sirv(folder);
  return (request, response) => {
    if (home !== undefined && request.url === "/") return response.writeHead(302, { Location: home }).end();
    pages(request, response, () => {
      response.writeHead(404, { "Content-Type": "text/plain" }).end("No such page.\n");
    });
  };
}
