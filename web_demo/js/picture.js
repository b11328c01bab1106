/** From a file, bytes or a video to an upright 8-bit RGB image {height, width, pixels}. */

import { Failure } from './failure.js';

/** EXIF orientation is applied, colour profiles are not: as in Python. Alpha is dropped after the canvas has rounded colours by it. */
export async function decode(blob, name) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, { imageOrientation: 'from-image', colorSpaceConversion: 'none', premultiplyAlpha: 'none' });
  } catch (error) {
    throw new Failure({
      got: `${name}, which is no image that this browser can read (${error.message})`,
      allowed: 'JPEG, PNG, WebP, and what else the browser shows',
      advice: 'choose another file',
      cause: error,
    });
  }
  try {
    return fromSource(bitmap, bitmap.width, bitmap.height);
  } finally {
    bitmap.close();
  }
}

/** Pixels of anything that a canvas can draw. */
export function fromSource(source, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d', { willReadFrequently: true, colorSpace: 'srgb' });
  context.drawImage(source, 0, 0);
  const rgba = context.getImageData(0, 0, width, height).data;
  const pixels = new Uint8ClampedArray(width * height * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4) {
    pixels[to++] = rgba[from];
    pixels[to++] = rgba[from + 1];
    pixels[to++] = rgba[from + 2];
  }
  return { height, width, pixels };
}

/** Draws an image onto a visible canvas, at its own size. */
export function show(image, canvas) {
  const rgba = new Uint8ClampedArray(image.width * image.height * 4).fill(255);
  for (let from = 0, to = 0; from < image.pixels.length; to++) {
    rgba[to++] = image.pixels[from++];
    rgba[to++] = image.pixels[from++];
    rgba[to++] = image.pixels[from++];
  }
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.getContext('2d').putImageData(new ImageData(rgba, image.width, image.height), 0, 0);
}
