import { type Basis, blockStart, features, writeBlock } from "../tuning/basis.ts";
import { packedIndex } from "../tuning/kernels/kernels.ts";
import {
  covarianceAt,
  covarianceOf,
  createProspect,
  expectedKappa,
  linearPredictor,
  meanAt,
  type Posterior,
  type Prospect,
  prospectAt,
  prospectNumbers,
  strideOf,
} from "../tuning/posterior.ts";
import { type Reach, updateBlocks } from "./reach.ts";
import { applyTarget } from "./target.ts";

/**
 * The posterior as it is expected to be when every face that was chosen has been answered, and what candidates would do to it.
 * An answer not yet given shrinks C by the information at the mean and leaves μ; so the expected covariance is
 * C' = C − Σ_o κ_o y_o y_o', kept as the few vectors y_o and never as matrices.
 *
 * Candidates are the faces of traversals through bases. Along a traversal only one block of x changes, so with C'x at the base in
 * hand a candidate costs B operations a unit.
 */
export interface Outlook {
  posterior: Posterior;
  /** Null for objectives that have no target set. */
  reach: Reach | null;
  /** Values that traversals visit; T of them, an odd one padded by repeating the last. */
  grid: readonly number[];
  /** T. */
  steps: number;
  /** Faces chosen and not yet answered, oldest first, with κ of each unit. */
  outstanding: { prospect: Prospect; kappas: Float64Array }[];
  spare: Prospect[];
  /** Diagonal blocks of C' and of C'MC', units × latents × B × B, and φ(t)'A_dd φ(t), units × latents × T. */
  spread: { blocks: Float64Array; squares: Float64Array };
  touch: { blocks: Float64Array; squares: Float64Array };
  /** tr(C'M) of each unit. */
  total: Float64Array;
  /** φ on the grid, B × T. */
  phi: Float64Array;
  bases: Base[];
  /** η's mean on the traversals through a base, of the unit at hand: latents × T. */
  m: Float64Array;
  /** What every face on those traversals is worth: latents × T; steps past the grid's length are padding. */
  worth: Float64Array;
  /** M y and h = C'M y of the unit at hand. */
  v: Float64Array;
  h: Float64Array;
}

/** A face through which traversals are scored, and what of it depends on covariances alone. */
export interface Base {
  latents: Float64Array;
  /** x; C'x; x'C'x. */
  prospect: Prospect;
  /** x'C'MC'x, one a unit; zero where there is no target set. */
  drop: Float64Array;
  /** Of each unit, η's variance and x'C'MC'x on the traversals through the base, latents × T. */
  s2: Float64Array[];
  reach: Float64Array[];
}

export interface OutlookSettings {
  grid: readonly number[];
  /** Faces that may be outstanding at once, and bases that may be projected for one choice. */
  lookahead: number;
  bases: number;
}

const evenSteps = (grid: readonly number[]): number => (grid.length + 1) & ~1;

export function outlookNumbers(basis: Basis, units: number, { grid, lookahead, bases }: OutlookSettings): number {
  const stride = strideOf(basis);
  const steps = evenSteps(grid);
  const perUnit = 2 * basis.latents * (basis.block ** 2 + steps);
  return (
    units * perUnit +
    (lookahead + 1 + bases) * (prospectNumbers(basis, units) + 4) +
    (2 * bases * units + 3) * basis.latents * steps +
    basis.block * steps +
    2 * stride +
    64
  );
}

export function createOutlook(posterior: Posterior, reach: Reach | null, settings: OutlookSettings): Outlook {
  const { basis, units, kernels, stride } = posterior;
  const { block, latents } = basis;
  const steps = evenSteps(settings.grid);
  const grid = Array.from({ length: steps }, (_, t) => settings.grid[Math.min(t, settings.grid.length - 1)]);
  const phi = kernels.take(block * steps);
  const column = new Float64Array(block);
  grid.forEach((value, t) => {
    writeBlock(basis, value, column);
    for (let i = 0; i < block; i++) phi[i * steps + t] = column[i];
  });
  const onTraversals = () => kernels.take(latents * steps);
  const nothing = onTraversals();
  const ofUnits = (one: () => Float64Array) => Array.from({ length: units }, one);
  const blocks = () => ({
    blocks: kernels.take(units * latents * block * block),
    squares: kernels.take(units * latents * steps),
  });
  return {
    posterior,
    reach,
    grid: settings.grid,
    steps,
    outstanding: [],
    spare: Array.from({ length: settings.lookahead + 1 }, () => createProspect(posterior)),
    spread: blocks(),
    touch: blocks(),
    total: new Float64Array(units),
    phi,
    bases: Array.from({ length: settings.bases }, () => ({
      latents: new Float64Array(latents),
      prospect: createProspect(posterior),
      drop: new Float64Array(units),
      s2: ofUnits(onTraversals),
      reach: ofUnits(reach ? onTraversals : () => nothing),
    })),
    m: onTraversals(),
    worth: onTraversals(),
    v: kernels.take(stride),
    h: kernels.take(stride),
  };
}

/** Counts a chosen face among those not yet answered. `look` takes it in. */
export function expectFace(outlook: Outlook, latents: ArrayLike<number>): void {
  const prospect = outlook.spare.pop();
  if (!prospect) throw new Error(`expected at most ${outlook.outstanding.length} faces not yet answered, got one more`);
  features(outlook.posterior.basis, latents, prospect.x);
  outlook.outstanding.push({ prospect, kappas: new Float64Array(outlook.posterior.units) });
}

/** The oldest face has been answered. Its vectors are the caller's until it puts them among `spare` again. */
export const answered = (outlook: Outlook): Prospect => outlook.outstanding.shift()!.prospect;

/**
 * Brings everything that depends on covariances up to date: the expected effect of each outstanding face, and the first bases.
 * Holds until a covariance changes. A unit's covariance is read once and used while it is in the cache.
 */
export function look(outlook: Outlook, bases: readonly Float64Array[]): void {
  const { posterior, outstanding } = outlook;
  bases.forEach((latents, b) => {
    setBase(outlook.bases[b], latents, posterior);
  });
  for (let u = 0; u < posterior.units; u++) {
    imagine(outlook, u);
    for (let b = 0; b < bases.length; b++) projectUnit(outlook, outlook.bases[b], u, outstanding.length);
  }
}

/** Projects one more base, after `look`. */
export function projectBase(outlook: Outlook, slot: number, latents: Float64Array): void {
  const base = outlook.bases[slot];
  setBase(base, latents, outlook.posterior);
  for (let u = 0; u < outlook.posterior.units; u++) projectUnit(outlook, base, u, outlook.outstanding.length);
}

function setBase(base: Base, latents: Float64Array, { basis }: Posterior): void {
  base.latents.set(latents);
  features(basis, latents, base.prospect.x);
}

/** C' and what hangs on it for one unit: each outstanding face in turn. */
function imagine(outlook: Outlook, u: number): void {
  const { posterior, reach, outstanding, spread, touch, total } = outlook;
  const { basis, kernels, stride } = posterior;
  const n = basis.latents * basis.block ** 2;
  copyDiagonal(posterior, u, spread.blocks, u * n);
  if (reach) {
    touch.blocks.set(reach.blocks.subarray(u * n, (u + 1) * n), u * n);
    total[u] = reach.total[u];
  }
  outstanding.forEach(({ prospect, kappas }, o) => {
    const yAt = prospectAt(prospect, posterior, u);
    const y = prospect.y.subarray(u * stride, (u + 1) * stride);
    prospect.variance[u] = projectExpected(outlook, u, prospect.x.byteOffset, yAt, o);
    const kappa = expectedKappa(posterior, u, linearPredictor(posterior, u, prospect.x), prospect.variance[u]);
    kappas[u] = kappa;
    if (reach) {
      applyTarget(reach.targets, posterior, u, yAt, reach.my.byteOffset);
      projectExpected(outlook, u, reach.my.byteOffset, reach.w.byteOffset, o);
      total[u] -= updateBlocks(reach, posterior, y, kappa, touch.blocks, u * n);
    }
    subtractDiagonal(basis, y, kappa, spread.blocks, u * n);
  });
  for (const { blocks, squares } of reach ? [spread, touch] : [spread])
    kernels.squares(
      blocks.byteOffset + 8 * u * n,
      outlook.phi.byteOffset,
      squares.byteOffset + 8 * u * basis.latents * outlook.steps,
      basis.latents,
      basis.block,
      outlook.steps,
    );
}

/** y = C'x with the first `upTo` outstanding faces answered; gives x'C'x. */
function projectExpected(outlook: Outlook, u: number, xAt: number, yAt: number, upTo: number): number {
  const { posterior, outstanding } = outlook;
  const { kernels, stride, basis } = posterior;
  kernels.project(covarianceAt(posterior, u), xAt, yAt, basis.size, stride);
  for (let o = 0; o < upTo; o++) {
    const { prospect, kappas } = outstanding[o];
    const earlier = prospectAt(prospect, posterior, u);
    kernels.addScaled(yAt, -kappas[u] * kernels.dot(earlier, xAt, stride), earlier, stride);
  }
  return kernels.dot(xAt, yAt, stride);
}

/** Fills what of a base depends on one unit's covariance. `imagine` came before. */
function projectUnit(outlook: Outlook, base: Base, u: number, upTo: number): void {
  const { posterior, reach, phi, steps, spread, touch, v, h } = outlook;
  const { kernels, stride, basis } = posterior;
  const { latents, block } = basis;
  const { prospect, drop } = base;
  const xAt = prospect.x.byteOffset;
  const traverse = (atBase: number, productAt: number, { blocks, squares }: Outlook["spread"], out: Float64Array) =>
    kernels.traverse(
      atBase,
      xAt,
      productAt,
      blocks.byteOffset + 8 * u * latents * block * block,
      phi.byteOffset,
      squares.byteOffset + 8 * u * latents * steps,
      out.byteOffset,
      latents,
      block,
      steps,
    );
  const yAt = prospectAt(prospect, posterior, u);
  prospect.variance[u] = projectExpected(outlook, u, xAt, yAt, upTo);
  traverse(prospect.variance[u], yAt, spread, base.s2[u]);
  if (!reach) return;
  applyTarget(reach.targets, posterior, u, yAt, v.byteOffset);
  drop[u] = kernels.dot(yAt, v.byteOffset, stride);
  projectExpected(outlook, u, v.byteOffset, h.byteOffset, upTo);
  traverse(drop[u], h.byteOffset, touch, base.reach[u]);
}

function copyDiagonal(posterior: Posterior, u: number, out: Float64Array, at: number): void {
  const { block, latents } = posterior.basis;
  const packed = covarianceOf(posterior, u);
  let k = at;
  for (let d = 0; d < latents; d++) {
    const from = blockStart(posterior.basis, d);
    for (let i = from; i < from + block; i++)
      for (let j = from; j < from + block; j++) out[k++] = packed[packedIndex(i, j)];
  }
}

function subtractDiagonal(basis: Basis, y: Float64Array, kappa: number, out: Float64Array, at: number): void {
  let k = at;
  for (let d = 0; d < basis.latents; d++) {
    const from = blockStart(basis, d);
    for (let i = from; i < from + basis.block; i++)
      for (let j = from; j < from + basis.block; j++) out[k++] -= kappa * y[i] * y[j];
  }
}

/** η's mean and variance, and x'C'MC'x, of one unit at a base and at every face of its traversals (latents × T). */
export interface Moments {
  base: { m: number; s2: number; reach: number };
  m: Float64Array;
  s2: Float64Array;
  reach: Float64Array;
}

/** Those of unit u and a projected base, with the means as they are now; `m` holds until the next call. */
export function momentsOf({ posterior, phi, steps, m }: Outlook, base: Base, u: number): Moments {
  const { kernels, stride, basis } = posterior;
  const xAt = base.prospect.x.byteOffset;
  const meanOfUnit = meanAt(posterior, u);
  const atBase = kernels.dot(meanOfUnit, xAt, stride);
  kernels.traverseLinear(atBase, xAt, meanOfUnit, phi.byteOffset, m.byteOffset, basis.latents, basis.block, steps);
  return {
    base: { m: atBase, s2: base.prospect.variance[u], reach: base.drop[u] },
    m,
    s2: base.s2[u],
    reach: base.reach[u],
  };
}
