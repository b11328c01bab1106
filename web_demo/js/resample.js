/**
 * Pillow 13's resize (src/libImaging/Resample.c), bit by bit. A canvas scales with filters of the browser's own, which differ from
 * browser to browser and from those that models are trained with.
 *
 * An image is {height, width, pixels}; pixels are 8-bit RGB, (height, width, 3).
 */

const CHANNELS = 3;

/** 8 bits of pixel, 2 of headroom for weights that overshoot, the rest of 32 for the fraction. */
const FRACTION_BITS = 32 - 8 - 2;

const CUBIC = -0.5; // Keys (1981), a

/** Hamming's window; Pillow has these two in single precision. */
const HAMMING = [Math.fround(0.54), Math.fround(0.46)];

/** Radius in pixels of the coarser image, and weight at a distance from the centre. "nearest" has no weights. */
const FILTERS = {
  box: { radius: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { radius: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  hamming: { radius: 1, weight: (x) => (Math.abs(x) < 1 ? sinc(x) * (HAMMING[0] + HAMMING[1] * Math.cos(x * Math.PI)) : 0) },
  bicubic: { radius: 2, weight: (x) => cubic(Math.abs(x)) },
  lanczos: { radius: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

export const INTERPOLATIONS = ['nearest', ...Object.keys(FILTERS)];

/** `image` resized to `height` x `width` pixels with one of INTERPOLATIONS. */
export function resize(image, height, width, interpolation) {
  if (height === image.height && width === image.width) return image;
  if (interpolation === 'nearest') return nearest(image, height, width);
  const filter = FILTERS[interpolation];
  const alongRows = (it) => (width === it.width ? it : resizeRows(it, tapsOf(it.width, width, filter)));
  const alongColumns = (it) => (height === it.height ? it : resizeColumns(it, tapsOf(it.height, height, filter)));
  const columnsFirst = image.height - height > Math.max(0, (image.width - width) * 2);
  return columnsFirst ? alongRows(alongColumns(image)) : alongColumns(alongRows(image));
}

function cubic(x) {
  if (x < 1) return ((CUBIC + 2) * x - (CUBIC + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * CUBIC : 0;
}

function sinc(x) {
  return x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
}

/**
 * Source pixels and weights of every output position along one axis: output i is the sum over k < count[i] of
 * weights[i * window + k] * source[first[i] + k]. Weights are integers with FRACTION_BITS binary places.
 */
function tapsOf(source, size, filter) {
  const scale = source / size;
  const stretch = Math.max(scale, 1);
  const reach = filter.radius * stretch;
  const window = Math.ceil(reach) * 2 + 1;
  const taps = { size, window, first: new Int32Array(size), count: new Int32Array(size), weights: new Int32Array(size * window) };
  const exact = new Float64Array(window);
  for (let position = 0; position < size; position++) {
    const center = (position + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - reach + 0.5));
    const count = Math.min(source, Math.trunc(center + reach + 0.5)) - first;
    let sum = 0;
    for (let tap = 0; tap < count; tap++) {
      exact[tap] = filter.weight((first + tap - center + 0.5) * (1 / stretch));
      sum += exact[tap];
    }
    taps.first[position] = first;
    taps.count[position] = count;
    for (let tap = 0; tap < count; tap++) {
      taps.weights[position * window + tap] = fixedPoint(sum === 0 ? exact[tap] : exact[tap] / sum);
    }
  }
  return taps;
}

function fixedPoint(weight) {
  return Math.trunc(weight * (1 << FRACTION_BITS) + (weight < 0 ? -0.5 : 0.5));
}

/** (height, width, 3) -> (height, taps.size, 3). */
function resizeRows({ height, width, pixels }, taps) {
  const result = new Uint8ClampedArray(height * taps.size * CHANNELS);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < taps.size; column++) {
      const source = (row * width + taps.first[column]) * CHANNELS;
      accumulate(pixels, source, CHANNELS, taps, column, result, (row * taps.size + column) * CHANNELS);
    }
  }
  return { height, width: taps.size, pixels: result };
}

/** (height, width, 3) -> (taps.size, width, 3). */
function resizeColumns({ width, pixels }, taps) {
  const stride = width * CHANNELS;
  const result = new Uint8ClampedArray(taps.size * stride);
  for (let row = 0; row < taps.size; row++) {
    for (let column = 0; column < width; column++) {
      const source = taps.first[row] * stride + column * CHANNELS;
      accumulate(pixels, source, stride, taps, row, result, row * stride + column * CHANNELS);
    }
  }
  return { height: taps.size, width, pixels: result };
}

/** The weighted sum of one output pixel's taps, `stride` bytes apart from `source` on, rounded; the clamped array clips to 8 bits. */
function accumulate(from, source, stride, { window, count, weights }, position, to, target) {
  const start = position * window;
  const end = start + count[position];
  for (let channel = 0; channel < CHANNELS; channel++) {
    let sum = 1 << (FRACTION_BITS - 1);
    for (let tap = start, index = source + channel; tap < end; tap++, index += stride) sum += from[index] * weights[tap];
    to[target + channel] = sum >> FRACTION_BITS;
  }
}

function nearest(image, height, width) {
  const rows = nearestPositions(image.height, height);
  const columns = nearestPositions(image.width, width);
  const pixels = new Uint8ClampedArray(height * width * CHANNELS);
  let target = 0;
  for (const row of rows) {
    for (const column of columns) {
      const source = (row * image.width + column) * CHANNELS;
      for (let channel = 0; channel < CHANNELS; channel++) pixels[target++] = image.pixels[source + channel];
    }
  }
  return { height, width, pixels };
}

/** Positions are sums of steps, as in Pillow, not products: the two round differently. */
function nearestPositions(source, size) {
  const step = source / size;
  const positions = [];
  for (let position = step * 0.5; positions.length < size; position += step) positions.push(Math.trunc(position));
  return positions;
}
