/**
 * What every request and every socket of the web server passes before anything else hears of it (SECURITY.md): its Host, its
 * Origin, how many came from its address, and, where the server can be reached from other machines, the access token.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import { hostname } from "node:os";
import { type Allowance, type Bucket, fullBucket, take } from "./rate-limit.ts";

export interface GuardOptions {
  /** The address that the server listens on. */
  host: string;
  /** Null only on the loopback. */
  token: string | null;
  /** Names that this machine goes by besides its own, as that of a proxy before it. */
  names?: readonly string[];
}

export interface Refusal {
  status: 400 | 401 | 403 | 429;
  /** In words, for whoever made the request. */
  reason: string;
}

export interface Guard {
  /** Why a request is turned away, or null. Pages are the same for everybody; all else needs the token where there is one. */
  refusal(request: IncomingMessage, access: "page" | "private", nowMs: number): Refusal | null;
  /** What a browser that has shown the token keeps, for a server on `port`; null where there is no token. */
  cookie(port: number): string | null;
}

/** A page is ten files; a page that has lost its server asks once a second. */
const REQUESTS: Allowance = { burst: 200, perSecond: 20 };
/** Addresses that are remembered; beyond that, the quietest is forgotten. */
const MAX_ADDRESSES = 1000;

export const isLoopback = (host: string): boolean => host === "localhost" || /^(::ffff:)?127\.|^::1$/.test(host);

export function createGuard({ host, token, names = [] }: GuardOptions): Guard {
  if (token === null && !isLoopback(host))
    throw new Error(`expected a token for a server that listens on ${host}, got none`);
  const known = new Set([
    "localhost",
    ...(isLoopback(host) ? [] : ownNames()),
    ...names.map((name) => name.toLowerCase()),
  ]);
  const same = createComparison();
  const cookieValue =
    token === null ? null : createHmac("sha256", token).update("latentloop cookie").digest("base64url");
  const buckets = new Map<string, Bucket>();

  const isAllowed = (address: string, nowMs: number): boolean => {
    const bucket = buckets.get(address) ?? fullBucket(REQUESTS, nowMs);
    buckets.delete(address);
    buckets.set(address, bucket);
    if (buckets.size > MAX_ADDRESSES) buckets.delete(buckets.keys().next().value!);
    return take(bucket, REQUESTS, nowMs);
  };

  const holdsToken = ({ headers }: IncomingMessage): boolean => {
    if (token === null) return true;
    const bearer = /^Bearer (.+)$/.exec(headers.authorization ?? "")?.[1];
    if (bearer !== undefined) return same(bearer, token);
    return cookiesOf(headers.cookie).some((value) => same(value, cookieValue!));
  };

  return {
    refusal(request, access, nowMs) {
      if (!isAllowed(request.socket.remoteAddress ?? "", nowMs))
        return { status: 429, reason: "expected fewer requests; try again in some seconds" };
      const asked = hostOf(request.headers.host);
      if (asked === null) return { status: 400, reason: "expected a Host header" };
      // A name that a stranger's DNS points here is not ours; an address can't be pointed anywhere.
      if (!known.has(asked.name) && isIP(asked.name) === 0)
        return {
          status: 403,
          reason: `expected this machine's address or one of its names (${[...known].join(", ")}), got ${asked.name}; --allow-host adds one`,
        };
      const { origin } = request.headers;
      if (origin !== undefined && originHost(origin) !== asked.host)
        return { status: 403, reason: `expected a page of this server, got one of ${origin}` };
      if (access === "private" && !holdsToken(request))
        return { status: 401, reason: "expected the access token: open the address that the server printed" };
      return null;
    },
    cookie: (port) =>
      cookieValue && `${COOKIE}-${port}=${cookieValue}; HttpOnly; SameSite=Strict; Path=/; Max-Age=${YEAR_S}`,
  };
}

const COOKIE = "latentloop";
const YEAR_S = 365 * 24 * 3600;

/** Of every port: browsers send cookies to all ports of a host, and a tunnel may have another port than the server. */
const cookiesOf = (header = ""): string[] =>
  header
    .split(";")
    .map((part) => part.trim().split("="))
    .filter(([name, value]) => name.startsWith(`${COOKIE}-`) && value !== undefined)
    .map(([, value]) => value);

function ownNames(): string[] {
  const full = hostname().toLowerCase();
  const short = full.split(".")[0];
  return [...new Set([full, short, `${short}.local`])];
}

function hostOf(header: string | undefined): { name: string; host: string } | null {
  const url = parseUrl(`http://${header ?? ""}`);
  if (!header || url === null || url.pathname !== "/" || url.username !== "") return null;
  return { name: url.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, ""), host: url.host };
}

function originHost(origin: string): string | null {
  const url = parseUrl(origin);
  return url !== null && /^https?:$/.test(url.protocol) ? url.host : null;
}

export const parseUrl = (text: string): URL | null => (URL.canParse(text) ? new URL(text) : null);

/** Compares in a time that says nothing about either: both are hashed under a key that nobody knows. */
function createComparison(): (a: string, b: string) => boolean {
  const key = randomBytes(32);
  const hash = (text: string) => createHmac("sha256", key).update(text).digest();
  return (a, b) => timingSafeEqual(hash(a), hash(b));
}
