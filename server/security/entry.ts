import { TOKEN_FIELD } from "../../protocols/wire/entry.ts";
import { type GuardOptions, isLoopback } from "./guard.ts";
import { ownTokenFile, tokenFor } from "./token.ts";

/** Where displays and operators come in. */
export interface Network {
  host: string;
  /** 0: any free port. */
  port: number;
  /** Left out: the user's own. */
  tokenFile?: string;
  /** Further names that this machine is reached by. */
  allowHost?: string[];
}

/** What the server's guard is to know, with the token where one is needed. */
export const guardOptions = async ({ host, tokenFile, allowHost = [] }: Network): Promise<GuardOptions> => ({
  host,
  token: await tokenFor(host, tokenFile),
  names: allowHost,
});

/** The address to open in a browser. The token is shown on a terminal, and nowhere that is kept; the page forgets it at once. */
export function entryAddress(url: string, { host, tokenFile = ownTokenFile }: Network, token: string | null): string {
  if (isLoopback(host)) return url;
  return `${url}#${TOKEN_FIELD}=${process.stderr.isTTY ? token : `… (the token is in ${tokenFile})`}`;
}
