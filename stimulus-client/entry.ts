import { bearer, ENTER_PATH, TOKEN_FIELD } from "../protocols/wire/entry.ts";

/** The token that came with the page's address; taken out of the address at once, so that no history or picture keeps it. */
function takeToken(): string | null {
  const token = new URLSearchParams(location.hash.slice(1)).get(TOKEN_FIELD);
  if (token !== null) history.replaceState(null, "", location.pathname + location.search);
  return token;
}

let token = takeToken();

/** Asks the server to let this page in. What it says where it does not, or null; null too where there is no server yet. */
export async function enter(): Promise<string | null> {
  const headers = token === null ? {} : bearer(token);
  const answer = await fetch(ENTER_PATH, { method: "POST", headers }).catch(() => null);
  if (answer === null) return null;
  if (answer.ok) token = null;
  return answer.ok ? null : await answer.text();
}
