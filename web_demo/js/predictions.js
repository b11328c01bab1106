/** From logits to what people read. */

/**
 * The `count` likeliest classes, [{index, label, probability}], best first, of logits or of what are probabilities already. A class
 * without a name is called by its number.
 */
export function topPredictions(values, labels, { areProbabilities = false, count = 5 } = {}) {
  const probabilities = areProbabilities ? values : softmax(values);
  return ranking(values)
    .slice(0, count)
    .map((index) => ({ index, label: labels[index] ?? `class ${index}`, probability: probabilities[index] }));
}

/** The likeliest class; of equal ones the first, as numpy's argmax. */
export function topClass(logits) {
  return ranking(logits)[0];
}

function ranking(logits) {
  return Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a] || a - b);
}

function softmax(logits) {
  const largest = Math.max(...logits);
  const powers = Array.from(logits, (value) => Math.exp(value - largest));
  const sum = powers.reduce((total, value) => total + value, 0);
  return powers.map((value) => value / sum);
}

/** How far the signal of `expected` is above what `actual` differs by, in dB; NaN where one is no number. */
export function signalOverDifference(actual, expected) {
  const energy = (values) => values.reduce((total, value) => total + value * value, 0);
  const difference = energy(Array.from(actual, (value, index) => value - expected[index]));
  return difference === 0 ? Infinity : 10 * Math.log10(energy(Array.from(expected)) / difference);
}

/** The largest distance between two series of numbers; NaN where one is no number, Infinity where lengths differ. */
export function largestDistance(actual, expected) {
  if (actual.length !== expected.length) return Infinity;
  let largest = 0;
  for (let index = 0; index < actual.length; index++) {
    const distance = Math.abs(actual[index] - expected[index]);
    if (!(distance <= largest)) largest = distance;
    if (Number.isNaN(largest)) return NaN;
  }
  return largest;
}
