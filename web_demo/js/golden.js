/** The page against Python: its tensors and logits against the golden vectors (docs/golden.md). */

import { fetchChecked } from './model-folder.js';
import { decode } from './picture.js';
import { largestDistance, topClass } from './predictions.js';
import { cropped, inputFor, preprocess } from './preprocess.js';

/** Preprocessing must give Python's tensor to within this, in normalised units: far less than one step of an 8-bit pixel. */
export const TENSOR_TOLERANCE = 1e-5;

/** The golden image at `index`, decoded. */
export async function goldenImage(folder, index) {
  const item = folder.golden.images[index];
  const bytes = await fetchChecked(folder.base, folder.golden.folder + item.image, item.sha256);
  return decode(new Blob([bytes], { type: 'image/png' }), item.image);
}

/** The tensor that Python made of the golden image at `index`, NCHW. */
export async function goldenTensor(folder, index) {
  const item = folder.golden.images[index];
  const bytes = await fetchChecked(folder.base, folder.golden.folder + item.tensor, item.tensor_sha256);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float32Array.from({ length: bytes.byteLength / 4 }, (_, position) => view.getFloat32(4 * position, true));
}

/** Whether the page crops the golden image at `index` to the pixels that Python has; null where the bundle, an older one, has none. */
async function samePixels(folder, index, image) {
  const item = folder.golden.images[index];
  if (!item.pixels) return null;
  const bytes = await fetchChecked(folder.base, folder.golden.folder + item.pixels, item.pixels_sha256);
  return largestDistance(cropped(image, folder.golden.input).pixels, bytes) === 0;
}

/**
 * Runs every golden image through the page's own preprocessing and `session`. Distances are the largest of any image; counts are images
 * of the same class. `limit` is null, and so is what is compared with the artefact's own logits, where the bundle has none of it.
 */
export async function checkGolden(folder, entry, session) {
  const { images, artefacts, input } = folder.golden;
  const stored = artefacts[entry.path]?.sha256 === entry.sha256 ? artefacts[entry.path] : null;
  const result = {
    images: images.length,
    tensorDistance: 0,
    samePixels: true,
    logitDistance: stored && 0,
    limit: stored && stored.max_abs_error,
    sameAsArtefact: stored && 0,
    sameAsReference: 0,
  };
  for (let index = 0; index < images.length; index++) {
    const image = await goldenImage(folder, index);
    const tensor = preprocess(image, input, 'NCHW');
    result.tensorDistance = larger(result.tensorDistance, largestDistance(tensor, await goldenTensor(folder, index)));
    result.samePixels &&= (await samePixels(folder, index, image)) ?? true;
    const { logits } = await session.run(inputFor(session, image, input));
    result.sameAsReference += topClass(logits) === topClass(images[index].reference) ? 1 : 0;
    if (!stored) continue;
    result.logitDistance = larger(result.logitDistance, largestDistance(logits, stored.logits[index]));
    result.sameAsArtefact += topClass(logits) === topClass(stored.logits[index]) ? 1 : 0;
  }
  const prepared = result.samePixels && result.tensorDistance <= TENSOR_TOLERANCE;
  return { ...result, passed: prepared && (!stored || result.logitDistance <= result.limit) };
}

/** The larger of two distances; NaN, of which nothing is larger, stays. */
function larger(a, b) {
  return Number.isNaN(a) || Number.isNaN(b) ? NaN : Math.max(a, b);
}
