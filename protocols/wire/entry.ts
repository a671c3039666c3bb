/** How a page gets in where the server asks for a token: it shows it once, at this path, and is given a cookie (SPEC.md, rules N). */
export const ENTER_PATH = "/enter";

/** The token's place in an address, after `#`: a fragment never leaves the browser. */
export const TOKEN_FIELD = "token";

export const bearer = (token: string): { Authorization: string } => ({ Authorization: `Bearer ${token}` });
