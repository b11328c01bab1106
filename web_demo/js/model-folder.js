/** What `evit-mobile convert` wrote: manifest, artefacts, golden vectors. Nothing is used before its SHA-256 is right. */

import { Failure } from './failure.js';

const SCHEMAS = [1, 2]; // they differ in nothing that this page reads
const GOLDEN_SCHEMA = 1;
const FORMAT = 'tflite';
const TASKS = ['classification', 'segmentation'];

/** {base, manifest, artefacts, golden}: `artefacts` are the manifest's entries that this page can run, `golden` is golden.json or null. */
export async function openFolder(base) {
  const manifest = parse(await fetchBytes(base, 'manifest.json'), 'manifest.json');
  if (!SCHEMAS.includes(manifest.schema)) throw unknownSchema('manifest.json', manifest.schema, SCHEMAS.join(' or '));
  if (!Array.isArray(manifest.artefacts) || !manifest.input || !manifest.model) throw incomplete('manifest.json');
  const task = manifest.model.task ?? TASKS[0];
  if (!TASKS.includes(task)) {
    throw new Failure({ got: `a model of the task ${task}`, allowed: `${TASKS.join(' or ')}: this page shows labels`, advice: 'convert one of these' });
  }
  const artefacts = manifest.artefacts.filter((entry) => entry.format === FORMAT);
  if (artefacts.length === 0) {
    throw new Failure({
      got: `a manifest with ${manifest.artefacts.map((entry) => entry.path).join(', ') || 'no artefact'}`,
      allowed: 'at least one .tflite',
      advice: 'run evit-mobile convert --format tflite into this folder',
    });
  }
  return { base, manifest, artefacts, golden: await openGolden(base, manifest) };
}

/** golden.json, or null where the manifest names none. */
async function openGolden(base, manifest) {
  if (!manifest.golden) return null;
  const { path, sha256 } = manifest.golden;
  const golden = parse(await fetchChecked(base, path, sha256), path);
  if (golden.schema !== GOLDEN_SCHEMA) throw unknownSchema(path, golden.schema, GOLDEN_SCHEMA);
  if (!Array.isArray(golden.images) || !golden.artefacts) throw incomplete(path);
  return { ...golden, folder: path.slice(0, path.lastIndexOf('/') + 1) };
}

/** Bytes of a file of the folder that is the one that was written. Throws Failure. */
export async function fetchChecked(base, path, sha256) {
  const bytes = await fetchBytes(base, path);
  const actual = await digest(bytes);
  if (actual !== sha256) {
    throw new Failure({
      got: `${path}, whose SHA-256 is ${actual.slice(0, 12)}…`,
      allowed: `${String(sha256).slice(0, 12)}…, the file that was written`,
      advice: 'convert or export again; a file was altered or cut off on its way',
    });
  }
  return bytes;
}

async function fetchBytes(base, path) {
  const missing = (why) =>
    new Failure({
      got: `no ${path} (${why})`,
      allowed: 'a folder that evit-mobile convert wrote',
      advice: 'run evit-mobile export-app web --from DIR, or evit-mobile serve DIR, and reload',
    });
  let response;
  try {
    response = await fetch(new URL(path, base), { cache: 'no-cache' });
  } catch (error) {
    throw missing(error.message);
  }
  if (!response.ok) throw missing(`HTTP ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

async function digest(bytes) {
  if (!globalThis.crypto?.subtle) {
    throw new Failure({ got: 'a page without a secure context', allowed: 'https, or localhost', advice: 'open it by evit-mobile serve' });
  }
  const hash = await crypto.subtle.digest('SHA-256', bytes);
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function parse(bytes, path) {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) ?? {};
  } catch (error) {
    throw new Failure({ got: `${path}, which is no JSON (${error.message})`, allowed: 'the file that evit-mobile wrote', advice: 'convert again' });
  }
}

function incomplete(path) {
  return new Failure({ got: `${path} with fields missing`, allowed: 'a complete file', advice: 'convert again' });
}

function unknownSchema(path, schema, known) {
  return new Failure({ got: `${path} of schema ${schema}`, allowed: `schema ${known}`, advice: 'convert again with the evit-mobile that this page is from, or update the page' });
}
