/** From the logits of a grid to a picture with a colour per class, and to the classes' shares of it. */

/** How much of a cell's colour covers the picture. */
const COVER = 0.55;

/** [rows, columns] of an output as the manifest describes it. */
export function gridOf({ shape, layout }) {
  return layout === 'NHWC' ? shape.slice(1, 3) : shape.slice(2, 4);
}

/** The class of each cell, row by row; of equal logits the first. `layout` is that of the logits, "NCHW" or "NHWC". */
export function classMap(logits, classes, layout) {
  const cells = logits.length / classes;
  const [classStride, cellStride] = layout === 'NHWC' ? [1, classes] : [cells, 1];
  const map = new Uint16Array(cells);
  for (let cell = 0; cell < cells; cell++) {
    const logit = (index) => logits[cell * cellStride + index * classStride];
    for (let index = 1; index < classes; index++) if (logit(index) > logit(map[cell])) map[cell] = index;
  }
  return map;
}

/** [{index, label, probability}]: the `count` largest classes and their shares of the cells, the largest first. */
export function largestClasses(map, labels, count = 5) {
  const cells = new Map();
  for (const index of map) cells.set(index, (cells.get(index) ?? 0) + 1);
  return Array.from(cells)
    .sort(([a, m], [b, n]) => n - m || a - b)
    .slice(0, count)
    .map(([index, size]) => ({ index, label: labels[index] ?? `class ${index}`, probability: size / map.length }));
}

/** The network's `image` ({height, width, pixels}) with each cell of `map`, `columns` a row, in the colour of its class. */
export function painted(image, map, columns) {
  const rows = map.length / columns;
  const pixels = new Uint8ClampedArray(image.pixels);
  for (let y = 0; y < image.height; y++) {
    for (let x = 0; x < image.width; x++) {
      const cell = Math.floor((y * rows) / image.height) * columns + Math.floor((x * columns) / image.width);
      const at = 3 * (y * image.width + x);
      colourOf(map[cell]).forEach((value, channel) => (pixels[at + channel] = (1 - COVER) * pixels[at + channel] + COVER * value));
    }
  }
  return { ...image, pixels };
}

/** [red, green, blue] of a class: hues a golden angle apart, so that neighbours in number differ. */
export function colourOf(index) {
  const hue = (index * 137.508) % 360;
  const channel = (shift) => {
    const k = (shift + hue / 30) % 12;
    return Math.round(255 * (0.5 - 0.4 * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return [channel(0), channel(8), channel(4)];
}
