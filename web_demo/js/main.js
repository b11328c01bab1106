/** The page: what is on screen, and what a user can do. Everything it says about the model comes from manifest.json. */

import { benchmark, quantile, report } from './benchmark.js';
import { describe, loadRuntime, openOrFallBack, openTrusted, PROCESSORS } from './engine.js';
import { Failure } from './failure.js';
import { checkGolden, goldenImage } from './golden.js';
import { fetchChecked, openFolder } from './model-folder.js';
import { decode, fromSource, show } from './picture.js';
import { topPredictions } from './predictions.js';
import { cropped, inputFor } from './preprocess.js';
import { classMap, colourOf, gridOf, largestClasses, painted } from './segmentation.js';

const MODEL = new URL('../model/', import.meta.url);
const element = (id) => document.getElementById(id);

/** What is open: folder, runtime, chosen artefact (entry, session) and the picture that was classified last. */
const state = { folder: null, runtime: null, entry: null, session: null, image: null };

/** Tasks run one after the other: a model runs one image at a time. */
let last = Promise.resolve();

/** Runs `task` after those before it; what it throws is shown. */
function enqueue(task) {
  last = last.then(async () => {
    document.body.setAttribute('aria-busy', 'true');
    await task().catch(showFailure);
    document.body.setAttribute('aria-busy', 'false');
  });
  return last;
}

async function start() {
  [state.folder, state.runtime] = await Promise.all([openFolder(MODEL), loadRuntime()]);
  const { manifest, artefacts, golden } = state.folder;
  const { model, input } = manifest;
  document.title = element('title').textContent = model.name;
  const size = input.shape.slice(2).join(' x ');
  element('about').textContent = `${model.num_classes} classes, ${size} pixels, ${(model.params / 1e6).toFixed(1)} million parameters, weights: ${model.weights}`;
  fill(element('artefact'), artefacts.map((entry) => [entry.path, `${entry.precision}, ${(entry.bytes / 1e6).toFixed(2)} MB`]));
  fill(element('accelerator'), state.runtime.accelerators.map((name) => [name, PROCESSORS[name]]));
  element('artefact').value = (artefacts.find((entry) => entry.precision === 'int8') ?? artefacts[0]).path;
  for (const id of ['settings', 'picture', 'benchmark']) element(id).hidden = false;
  element('golden').hidden = golden === null;
  element('by').textContent = model.task === 'segmentation' ? ' by share of the picture' : '';
}

function fill(select, options) {
  select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
}

/** Opens the artefact and accelerator that are chosen and classifies the last picture again, at first a golden one. */
async function openChosen() {
  const { folder } = state;
  const entry = folder.artefacts.find(({ path }) => path === element('artefact').value);
  closeSession();
  const bytes = await fetchChecked(folder.base, entry.path, entry.sha256);
  const { session, accelerator, notice } = await openOrFallBack(entry, bytes, element('accelerator').value, trialTensor);
  element('accelerator').value = accelerator;
  element('notice').textContent = notice || state.runtime.notice;
  Object.assign(state, { entry, session });
  hideFailure();
  element('precision').textContent = entry.precision;
  element('runtime').textContent = describe(state.runtime, accelerator);
  if (state.image === null && folder.golden?.images.length) state.image = await goldenImage(folder, 0);
  if (state.image !== null) await classify(state.image);
}

/** What `session` is given of noise, the same at every call, of the model's own size. */
function trialTensor(session) {
  const { input } = state.folder.manifest;
  const [height, width] = input.shape.slice(2);
  let value = 1;
  const noise = () => (value = (value * 48271) % 2147483647) & 255;
  return inputFor(session, { height, width, pixels: Uint8ClampedArray.from({ length: height * width * 3 }, noise) }, input);
}

function closeSession() {
  state.session?.close();
  Object.assign(state, { entry: null, session: null });
  element('result').hidden = true;
  element('agreement').className = '';
  element('agreement').textContent = 'Not checked yet.';
  element('agreement-facts').replaceChildren();
}

async function classify(image) {
  const { manifest } = state.folder;
  show(image, element('preview'));
  element('preview').classList.toggle('small', image.height < 224);
  state.image = image;
  if (state.session === null) return;
  const started = performance.now();
  const tensor = inputFor(state.session, image, manifest.input);
  const preprocessingMs = performance.now() - started;
  const first = state.session.runs === 0;
  const { logits, ms } = await state.session.run(tensor);
  const predictions = manifest.model.task === 'segmentation' ? segmented(image, logits) : classified(logits);
  element('count').textContent = predictions.length;
  element('predictions').replaceChildren(...predictions.map(predictionItem));
  element('latency').textContent = first ? `${milliseconds(ms)}, the first run` : milliseconds(ms);
  element('preprocessing').textContent = milliseconds(preprocessingMs);
  element('result').hidden = false;
  performance.mark('prediction');
  hideFailure();
}

/** The likeliest classes of a picture. */
function classified(logits) {
  const { model, labels } = state.folder.manifest;
  checkCount(logits, model.num_classes);
  return topPredictions(logits, labels ?? [], { areProbabilities: state.session.givesProbabilities });
}

/** The largest classes of a picture, which is shown as the network sees it, in their colours. */
function segmented(image, logits) {
  const { input, model, labels } = state.folder.manifest;
  const [rows, columns] = gridOf(state.session.output);
  checkCount(logits, model.num_classes * rows * columns);
  const map = classMap(logits, model.num_classes, state.session.output.layout);
  show(painted(cropped(image, input), map, columns), element('preview'));
  return largestClasses(map, labels ?? []).map((one) => ({ ...one, colour: `rgb(${colourOf(one.index)})` }));
}

function checkCount(logits, expected) {
  if (logits.length === expected) return;
  throw new Failure({ got: `${logits.length} logits`, allowed: `${expected}, as the manifest says`, advice: 'convert again' });
}

function predictionItem({ label, probability, colour = 'transparent' }) {
  const item = document.createElement('li');
  item.style.setProperty('--share', `${100 * probability}%`);
  item.style.setProperty('--colour', colour);
  for (const text of [label, `${(100 * probability).toFixed(1)} %`]) item.append(Object.assign(document.createElement('span'), { textContent: text }));
  return item;
}

async function check() {
  const { folder, entry, session } = state;
  if (session === null || folder.golden === null) return;
  const result = await checkGolden(folder, entry, session);
  element('agreement').className = result.passed ? 'passed' : 'failed';
  element('agreement').textContent = result.passed ? 'This browser computes what Python computed.' : 'This browser is further from Python than rounding explains.';
  const of = (count) => `${count} of ${result.images} images`;
  const facts = [['Tensors', apart(result.tensorDistance)]];
  if (!result.samePixels) facts.push(['Pixels', 'other ones than Python cropped']);
  if (result.limit !== null) {
    facts.push([session.givesProbabilities ? 'Probabilities' : 'Logits', `${apart(result.logitDistance)}, ${result.limit} allowed`]);
    facts.push(['Class as this file in Python', of(result.sameAsArtefact)]);
  }
  facts.push(['Class as in PyTorch', of(result.sameAsReference)]);
  showFacts(element('agreement-facts'), facts);
}

/** Measures every artefact that opens, on the chosen accelerator; throws only when none does. */
async function measure() {
  const accelerator = element('accelerator').value;
  const [subjects, failures] = await openAll(accelerator);
  if (subjects.length === 0) throw failures[0];
  element('download').hidden = true;
  element('progress').hidden = false;
  try {
    const measured = await benchmark(subjects, (share) => (element('progress').value = share));
    showLatencies(measured);
    offer(report(measured, describe(state.runtime, accelerator), PROCESSORS[accelerator]));
  } finally {
    for (const { session } of subjects) session.close();
    element('progress').hidden = true;
    element('progress').value = 0;
  }
}

/** [subjects of a benchmark, failures of what does not open]: every artefact of the folder, and the last picture for it. */
async function openAll(accelerator) {
  const { base, manifest, artefacts } = state.folder;
  const image = state.image ?? { height: 1, width: 1, pixels: new Uint8ClampedArray(3) };
  const subjects = [];
  const failures = [];
  for (const entry of artefacts) {
    try {
      const session = await openTrusted(entry, await fetchChecked(base, entry.path, entry.sha256), accelerator, trialTensor);
      subjects.push({ entry, session, tensor: inputFor(session, image, manifest.input) });
    } catch (error) {
      failures.push(error);
    }
  }
  return [subjects, failures];
}

function showLatencies(measured) {
  const rows = measured.map(({ entry, session, latenciesMs }) => {
    const row = document.createElement('tr');
    const head = Object.assign(document.createElement('th'), { scope: 'row', textContent: entry.precision });
    const values = [session.loadMs, ...[0.5, 0.9, 0.99].map((share) => quantile(latenciesMs, share))];
    row.append(head, ...values.map((value) => Object.assign(document.createElement('td'), { textContent: digits(value) })));
    return row;
  });
  element('latencies').tBodies[0].replaceChildren(...rows);
  element('latencies').hidden = false;
}

function offer(document) {
  const link = element('download');
  if (link.href) URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(new Blob([JSON.stringify(document, null, 1)], { type: 'application/json' }));
  link.download = `${state.folder.manifest.model.name}.web-report.json`;
  link.hidden = false;
}

function showFacts(list, facts) {
  list.replaceChildren(
    ...facts.flatMap((pair) => pair.map((text, column) => Object.assign(document.createElement(column ? 'dd' : 'dt'), { textContent: text }))),
  );
}

function showFailure(error) {
  const known = error instanceof Failure;
  if (!known) console.error(error);
  element('failure-got').textContent = known ? error.got : `an unforeseen error (${error?.message ?? error})`;
  element('failure-allowed').textContent = known ? error.allowed : 'none: this is a bug of this page';
  element('failure-advice').textContent = known ? error.advice : 'report it with what the browser console says';
  element('failure').hidden = false;
  if (state.folder === null) element('about').textContent = 'No model.';
}

function hideFailure() {
  element('failure').hidden = true;
}

const digits = (value) => value.toFixed(value < 10 ? 2 : 1);
const milliseconds = (value) => `${digits(value)} ms`;
const apart = (distance) => (distance === 0 ? 'equal' : `at most ${distance.toPrecision(2)} apart`);

/** Opens what is chosen and proves it, unless that fails; by then it is warm, and the latency shown is a usual one. */
const reopen = () => enqueue(openChosen).then(() => enqueue(checkAndClassify));

async function checkAndClassify() {
  await check();
  if (state.session !== null && state.image !== null) await classify(state.image);
}

async function takeFile(file) {
  if (file) await classify(await decode(file, file.name));
}

async function openCamera() {
  const viewfinder = element('viewfinder');
  try {
    viewfinder.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
  } catch (error) {
    throw new Failure({ got: `no camera (${error.message})`, allowed: 'a camera that this page may use', advice: 'allow it, or choose a photo' });
  }
  await viewfinder.play();
  setCamera(true);
}

/** Classifies what the camera shows; without one open, opens it. */
async function useCamera() {
  const viewfinder = element('viewfinder');
  if (!viewfinder.srcObject) return openCamera();
  const image = fromSource(viewfinder, viewfinder.videoWidth, viewfinder.videoHeight);
  closeCamera();
  return classify(image);
}

function closeCamera() {
  const viewfinder = element('viewfinder');
  for (const track of viewfinder.srcObject?.getTracks() ?? []) track.stop();
  viewfinder.srcObject = null;
  setCamera(false);
}

function setCamera(open) {
  element('viewfinder').hidden = !open;
  element('preview').hidden = open;
  element('camera-stop').hidden = !open;
  element('camera').textContent = open ? 'Take the picture' : 'Use the camera';
}

function listen() {
  element('artefact').addEventListener('change', reopen);
  element('accelerator').addEventListener('change', reopen);
  element('file').addEventListener('change', ({ target }) => enqueue(() => takeFile(target.files[0])));
  element('camera').addEventListener('click', () => enqueue(useCamera));
  element('camera-stop').addEventListener('click', closeCamera);
  element('check').addEventListener('click', () => enqueue(check));
  element('measure').addEventListener('click', () => element('progress').hidden && enqueue(measure));
  const drop = element('drop');
  for (const kind of ['dragover', 'dragleave', 'drop']) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle('over', kind === 'dragover');
      if (kind === 'drop') enqueue(() => takeFile(event.dataTransfer.files[0]));
    });
  }
}

listen();
enqueue(start).then(() => state.folder && state.runtime && reopen());
