/** What is seen at each pixel: the nearest surface's layer, texture coordinates, normal and one more attribute. */
export interface GeometryBuffer {
  width: number;
  height: number;
  depth: Float32Array;
  layer: Uint8Array;
  /** u, v, normal x, y, z, extra: six numbers a pixel. */
  attributes: Float32Array;
}

export const attributesPerPixel = 6;

export function geometryBuffer(width: number, height: number): GeometryBuffer {
  return {
    width,
    height,
    depth: new Float32Array(width * height).fill(Number.NEGATIVE_INFINITY),
    layer: new Uint8Array(width * height),
    attributes: new Float32Array(width * height * attributesPerPixel),
  };
}

export function clear(buffer: GeometryBuffer): void {
  buffer.depth.fill(Number.NEGATIVE_INFINITY);
  buffer.layer.fill(0);
}

/** Triangles of corners; each corner has a position and six attributes (u, v, normal, extra). */
export interface Corners {
  /** x and y in pixels (y down), z larger is nearer; 3 numbers a corner, 9 a triangle. */
  positions: Float32Array;
  attributes: Float32Array;
  triangles: number;
}

/**
 * Draws triangles into the buffer with a z-test; a pixel belongs to a triangle if its centre does. `keep` may refuse a
 * fragment (alpha test) given its interpolated attributes and pixel. Interpolation is affine: the camera is far away.
 */
export function rasterise(
  buffer: GeometryBuffer,
  corners: Corners,
  layer: number,
  keep?: (attributes: Float32Array, x: number, y: number) => boolean,
): void {
  const { width, height, depth } = buffer;
  const { positions: p, attributes: a } = corners;
  const fragment = new Float32Array(attributesPerPixel);
  for (let triangle = 0; triangle < corners.triangles; triangle++) {
    const o = triangle * 9;
    const ax = p[o];
    const ay = p[o + 1];
    const bx = p[o + 3];
    const by = p[o + 4];
    const cx = p[o + 6];
    const cy = p[o + 7];
    const area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax);
    if (area === 0) continue;
    const left = Math.max(0, Math.ceil(Math.min(ax, bx, cx) - 0.5));
    const right = Math.min(width - 1, Math.floor(Math.max(ax, bx, cx) - 0.5));
    const top = Math.max(0, Math.ceil(Math.min(ay, by, cy) - 0.5));
    const bottom = Math.min(height - 1, Math.floor(Math.max(ay, by, cy) - 0.5));
    const at = triangle * 3 * attributesPerPixel;
    for (let y = top; y <= bottom; y++) {
      for (let x = left; x <= right; x++) {
        const px = x + 0.5;
        const py = y + 0.5;
        const wa = ((bx - px) * (cy - py) - (by - py) * (cx - px)) / area;
        const wb = ((cx - px) * (ay - py) - (cy - py) * (ax - px)) / area;
        const wc = 1 - wa - wb;
        if (wa < 0 || wb < 0 || wc < 0) continue;
        const z = wa * p[o + 2] + wb * p[o + 5] + wc * p[o + 8];
        const pixel = y * width + x;
        if (z <= depth[pixel]) continue;
        for (let k = 0; k < attributesPerPixel; k++) {
          fragment[k] = wa * a[at + k] + wb * a[at + attributesPerPixel + k] + wc * a[at + 2 * attributesPerPixel + k];
        }
        if (keep !== undefined && !keep(fragment, x, y)) continue;
        depth[pixel] = z;
        buffer.layer[pixel] = layer;
        buffer.attributes.set(fragment, pixel * attributesPerPixel);
      }
    }
  }
}
