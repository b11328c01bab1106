/**
 * How a picture becomes a network input: calib/preprocess.py once more, from the manifest's `input`. Equal to it value by value.
 */

import { Failure } from './failure.js';
import { INTERPOLATIONS, resize } from './resample.js';

/** As in Python: a strip of 1 x 10,000 pixels, scaled to cover a square, would need gigabytes. */
const LARGEST_RESIZED_PIXELS = 2 ** 27;

/**
 * `image` ({height, width, pixels}: 8-bit RGB) as a Float32Array for one tensor in `layout`, "NCHW" or "NHWC".
 * `input` is the manifest's.
 */
export function preprocess(image, input, layout) {
  return normalize(cropped(image, input), input, layout);
}

/** What a session takes of `image`: the tensor, or a Uint8Array (height, width, 3) where its file normalises by itself. */
export function inputFor(session, image, input) {
  return session.takesPixels ? new Uint8Array(cropped(image, input).pixels) : preprocess(image, input, session.layout);
}

/** `image` resized and cropped to the network's size, still in 8 bits: {height, width, pixels}. */
export function cropped(image, input) {
  check(input);
  const [height, width] = resizedSize(image, input);
  if (height * width > LARGEST_RESIZED_PIXELS) {
    throw new Failure({
      got: `an image of ${image.width}x${image.height} pixels, ${width}x${height} after resizing`,
      allowed: `at most ${LARGEST_RESIZED_PIXELS} pixels after resizing`,
      advice: 'crop the image',
    });
  }
  return crop(resize(image, height, width, input.interpolation), input.crop.size);
}

function check(input) {
  const choices = [
    ['resize', input.resize?.mode, ['cover', 'squash']],
    ['crop', input.crop?.mode, ['center']],
    ['interpolation', input.interpolation, INTERPOLATIONS],
    ['color', input.color, ['RGB']],
  ];
  for (const [field, value, allowed] of choices) {
    if (!allowed.includes(value)) {
      throw new Failure({ got: `a manifest with ${field} ${value}`, allowed: allowed.join(', '), advice: 'use a newer copy of this page' });
    }
  }
}

/** [height, width] after resizing: the box itself, or the smallest size of the image's aspect ratio that covers it. */
function resizedSize({ height, width }, { resize: { mode, size } }) {
  const [boxHeight, boxWidth] = size;
  if (mode === 'squash') return size;
  if (boxHeight * width >= boxWidth * height) return [boxHeight, Math.floor((boxHeight * width) / height)];
  return [Math.floor((boxWidth * height) / width), boxWidth];
}

/** The middle [height, width] of an image. */
function crop(image, [height, width]) {
  const top = halfToEven((image.height - height) / 2);
  const left = halfToEven((image.width - width) / 2);
  const pixels = new Uint8ClampedArray(height * width * 3);
  for (let row = 0; row < height; row++) {
    const start = ((top + row) * image.width + left) * 3;
    pixels.set(image.pixels.subarray(start, start + width * 3), row * width * 3);
  }
  return { height, width, pixels };
}

/** Python's round(): halves go to the even number. */
function halfToEven(value) {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}

/** Each 8-bit value becomes (value / 255 - mean) / std, computed in 64 bits and rounded once. */
function normalize({ height, width, pixels }, { mean, std }, layout) {
  const tables = mean.map((m, channel) => Float32Array.from({ length: 256 }, (_, value) => (value / 255 - m) / std[channel]));
  const plane = height * width;
  const [channelStride, pixelStride] = layout === 'NHWC' ? [1, 3] : [plane, 1];
  const tensor = new Float32Array(3 * plane);
  for (let channel = 0; channel < 3; channel++) {
    const table = tables[channel];
    for (let pixel = 0; pixel < plane; pixel++) tensor[channel * channelStride + pixel * pixelStride] = table[pixels[pixel * 3 + channel]];
  }
  return tensor;
}
