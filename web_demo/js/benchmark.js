/** Latency by the protocol of docs/profile.md, and the report that `evit-mobile profile` reads. */

const BLOCK_RUNS = 50;
const ROUNDS = 8;
const WINDOW_RUNS = 30;
const LONGEST_WARM_UP = 10;
const STEADY_TOLERANCE = 0.02;

/**
 * Measures `subjects` ([{entry, session, tensor}]) side by side: each runs once, then until its latency no longer falls; then come
 * rounds of one block each, A B A B, so that ratios between them are fair. Adds `firstRunMs` and `latenciesMs` to each.
 * `progress` is told the share that is done.
 */
export async function benchmark(subjects, progress) {
  const measured = [];
  for (const subject of subjects) {
    const firstRunMs = (await subject.session.run(subject.tensor)).ms;
    await warmUp(subject);
    measured.push({ ...subject, firstRunMs, latenciesMs: [] });
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const subject of measured) {
      subject.latenciesMs.push(...(await block(subject, BLOCK_RUNS)));
      await breathe();
    }
    progress((round + 1) / ROUNDS);
  }
  return measured;
}

/** Runs until the medians of two windows agree, at most LONGEST_WARM_UP windows. */
async function warmUp(subject) {
  let previous = Infinity;
  for (let window = 0; window < LONGEST_WARM_UP; window++) {
    const median = quantile(await block(subject, WINDOW_RUNS), 0.5);
    if (Math.abs(previous - median) <= STEADY_TOLERANCE * median) return;
    previous = median;
    await breathe();
  }
}

async function block({ session, tensor }, runs) {
  const latencies = [];
  while (latencies.length < runs) latencies.push((await session.run(tensor)).ms);
  return latencies;
}

/** Lets the browser draw. */
const breathe = () => new Promise((resolve) => setTimeout(resolve));

/** The value below which that share of the values lies, interpolated. */
export function quantile(values, share) {
  const sorted = Float64Array.from(values).sort();
  const position = share * (sorted.length - 1);
  const below = Math.floor(position);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (position - below) * (sorted[above] - sorted[below]);
}

/** The report of docs/profile.md, "App report". A browser tells neither its device's temperature nor the memory of its process. */
export function report(measured, runtime, computeUnits) {
  return {
    schema: 1,
    device: device(),
    artefacts: measured.map(({ entry, session, firstRunMs, latenciesMs }) => ({
      name: entry.path,
      sha256: entry.sha256,
      runtime,
      compute_units: computeUnits,
      load_ms: session.loadMs,
      first_run_ms: firstRunMs,
      latencies_ms: latenciesMs,
      thermal_before: null,
      thermal_after: null,
      peak_memory_bytes: null,
    })),
  };
}

/** The machine as far as a browser tells: its platform and threads, and the browser itself. */
function device() {
  const about = navigator.userAgentData;
  const brand = about?.brands.find(({ brand }) => !/not.?a.?brand|chromium/i.test(brand)) ?? about?.brands.find(({ brand }) => brand === 'Chromium');
  return {
    model: `${about?.platform || navigator.platform || 'unknown platform'}, ${navigator.hardwareConcurrency} threads`,
    system: brand ? `${brand.brand} ${brand.version}` : navigator.userAgent,
  };
}
