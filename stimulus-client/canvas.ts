/** The PixiJS canvas: faces as textures on the GPU, one sprite for the face and one for the photodiode's patch. */
// Without it PixiJS makes functions from text, which the page's content security policy forbids.
import "pixi.js/unsafe-eval";
import {
  autoDetectRenderer,
  BufferImageSource,
  Container,
  Graphics,
  Sprite,
  Texture,
  type WebGLRenderer,
} from "pixi.js";
import type { Face, Welcome } from "./display-session.ts";
import { codeBoxes, faceBox, fixationBox, patchBox, type Size } from "./layout.ts";
import type { Picture } from "./schedule.ts";

export interface Canvas {
  /** Takes the background, the face's size, the fixation spot and the patch from the server's welcome. */
  configure(welcome: Welcome): void;
  /** The screen in device pixels. */
  size(): Size;
  /** Told where the screen's size changes. */
  onResize: () => void;
  /** Puts the face's pixels on the GPU now, not at the frame that first draws them. */
  upload(face: Face): void;
  release(face: number): void;
  releaseAll(): void;
  draw(picture: Picture): void;
}

const WHITE = 0xffffff;
const BLACK = 0x000000;

/** Throws where the browser has no WebGL. */
export async function openCanvas(parent: HTMLElement): Promise<Canvas> {
  const renderer = (await autoDetectRenderer({
    // WebGL or nothing: with WebGPU, headless Chromium was seen to report success on a blank canvas.
    preference: ["webgl"],
    antialias: false,
    // A face that waits long must stay on the GPU: it has been reported ready.
    gcActive: false,
  })) as WebGLRenderer;
  parent.append(renderer.canvas);
  // After a lost context nothing that was reported ready is.
  renderer.canvas.addEventListener("webglcontextlost", () => location.reload());

  const stage = new Container();
  const faceSprite = new Sprite(Texture.WHITE);
  const patchSprite = new Sprite(Texture.WHITE);
  /** One for each bit of the presentation's number, the lowest first. */
  const codeSprites: Sprite[] = [];
  const spot = new Graphics().circle(0.5, 0.5, 0.5).fill(0xffffff);
  stage.addChild(faceSprite, spot, patchSprite);
  // The first drawing compiles shaders, which takes long: not at the first onset.
  renderer.render(stage);
  faceSprite.visible = patchSprite.visible = spot.visible = false;
  const textures = new Map<number, Texture>();
  const outgoing = new Set<Texture>();
  let welcome: Welcome | null = null;
  let picture: Picture = { face: null, patch: false, code: 0 };
  let size: Size = { width: renderer.width, height: renderer.height };
  let stale = true;

  new ResizeObserver((entries) => {
    const box = entries.at(-1)?.devicePixelContentBoxSize[0];
    if (box === undefined) return;
    size = { width: box.inlineSize, height: box.blockSize };
    stale = true;
    canvas.onResize();
  }).observe(parent, { box: "device-pixel-content-box" });

  const place = () => {
    renderer.resize(size.width, size.height, 1);
    const patch = welcome === null ? null : patchBox(welcome.photodiode, size);
    patchSprite.visible = patch !== null;
    if (patch !== null) Object.assign(patchSprite, patch);
    const bits = welcome === null ? [] : codeBoxes(welcome.photodiode, size);
    while (codeSprites.length < bits.length) codeSprites.push(stage.addChild(new Sprite(Texture.WHITE)));
    codeSprites.forEach((sprite, bit) => {
      sprite.visible = bit < bits.length;
      Object.assign(sprite, bits[bit]);
    });
    const fixation = welcome === null ? null : fixationBox(welcome, size);
    spot.visible = fixation !== null;
    if (fixation !== null && welcome?.fixation) {
      spot.position.set(fixation.x, fixation.y);
      spot.scale.set(fixation.width, fixation.height);
      spot.tint = 0x010101 * Math.round(255 * welcome.fixation.level);
    }
  };

  const release = (face: number) => {
    const texture = textures.get(face);
    if (texture === undefined) return;
    textures.delete(face);
    // The face on the screen goes with the frame that takes it off.
    if (faceSprite.visible && faceSprite.texture === texture) outgoing.add(texture);
    else texture.destroy(true);
  };

  const draw = (next: Picture) => {
    const changed = next.face !== picture.face;
    if (!stale && !changed && next.patch === picture.patch) return;
    if (stale) place();
    if (changed) {
      faceSprite.texture = (next.face === null ? undefined : textures.get(next.face)) ?? Texture.EMPTY;
      faceSprite.visible = faceSprite.texture !== Texture.EMPTY;
    }
    if (faceSprite.visible)
      Object.assign(faceSprite, faceBox(faceSprite.texture, size, welcome?.faceFraction ?? 1, welcome?.placement));
    patchSprite.tint = next.patch ? WHITE : BLACK;
    codeSprites.forEach((sprite, bit) => {
      sprite.tint = Math.floor(next.code / 2 ** bit) % 2 === 1 ? WHITE : BLACK;
    });
    renderer.render(stage);
    picture = next;
    stale = false;
    if (changed) {
      for (const texture of outgoing) texture.destroy(true);
      outgoing.clear();
    }
  };

  const canvas: Canvas = {
    size: () => size,
    onResize() {},
    configure(message) {
      welcome = message;
      renderer.background.color = [message.background, message.background, message.background];
      stale = true;
    },
    upload({ face, width, height, pixels }) {
      const source = new BufferImageSource({
        resource: pixels,
        width,
        height,
        format: "rgba8unorm",
        alphaMode: "no-premultiply-alpha",
        scaleMode: "nearest",
        autoGarbageCollect: false,
      });
      renderer.texture.initSource(source);
      renderer.gl.flush();
      textures.set(face, new Texture({ source }));
    },
    release,
    releaseAll() {
      for (const face of [...textures.keys()]) release(face);
    },
    draw,
  };
  return canvas;
}
