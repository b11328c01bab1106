/** LiteRT.js: loads the runtime once, compiles artefacts and runs them. */

import { Failure } from './failure.js';

const PACKAGE = new URL('../node_modules/@litertjs/core/', import.meta.url);

/** What each accelerator runs on. */
export const PROCESSORS = { wasm: 'CPU, 1 thread', webgpu: 'GPU' };
const NO_GPU = 'This browser offers no WebGPU: the CPU runs everything.';
const CODE = { wasm: 'WebAssembly with XNNPACK', webgpu: 'WebGPU' };

/** The module of LiteRT.js, once `loadRuntime` has it: imported there, so that one that is missing is a Failure and no blank page. */
let litert = null;

/** {version, accelerators, notice}: where artefacts can run in this browser, "wasm" first, and what the user should know about that. */
export async function loadRuntime() {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  try {
    litert = await import('@litertjs/core');
    const about = await (await fetch(new URL('package.json', PACKAGE))).json();
    // Where WebGPU lacks an operation, LiteRT.js runs it on the CPU, which needs WebAssembly that can wait (JSPI).
    await litert.loadLiteRt(new URL('wasm/', PACKAGE).href, { jspi: Boolean(adapter) && (await litert.supportsFeature('jspi')) });
    return { version: about.version, accelerators: adapter ? ['wasm', 'webgpu'] : ['wasm'], notice: adapter ? '' : NO_GPU };
  } catch (error) {
    throw new Failure({
      got: `a LiteRT.js that does not start (${error.message})`,
      allowed: 'the npm package @litertjs/core in node_modules, and a browser with WebAssembly SIMD',
      advice: 'run npm ci in web_demo, or update the browser',
      cause: error,
    });
  }
}

/** The runtime on an accelerator, in words. */
export const describe = ({ version }, accelerator) => `LiteRT.js ${version}, ${CODE[accelerator]}`;

/**
 * {session, accelerator, notice}: an artefact opened on `wanted`, or else on the CPU, and why. Throws Failure when the CPU cannot
 * run it either.
 */
export async function openOrFallBack(entry, bytes, wanted) {
  try {
    const session = await Session.open(entry, bytes, wanted);
    const isWhole = wanted === 'wasm' || session.compiled.isFullyAccelerated;
    return { session, accelerator: wanted, notice: isWhole ? '' : `WebGPU lacks operations of ${entry.path}; the CPU runs these.` };
  } catch (error) {
    if (wanted === 'wasm' || !(error instanceof Failure)) throw error;
    const session = await Session.open(entry, bytes, 'wasm');
    return { session, accelerator: 'wasm', notice: `WebGPU cannot run this here: ${error.got}. The CPU runs it instead.` };
  }
}

/** One artefact, ready to run. `loadMs` is what compiling it took. */
export class Session {
  /** `entry` is the manifest's, `bytes` the file. Throws Failure for what LiteRT.js cannot take. */
  static async open(entry, bytes, accelerator) {
    const [input] = entry.inputs;
    if (input.dtype !== 'float32' || entry.outputs[0].dtype !== 'float32') {
      throw new Failure({
        got: `${entry.path}, which takes ${input.dtype} and gives ${entry.outputs[0].dtype}`,
        allowed: 'float32 input and output: LiteRT.js has no others',
        advice: 'convert with --float-io, or choose another artefact',
      });
    }
    const started = performance.now();
    try {
      const compiled = await litert.loadAndCompile(bytes, { accelerator });
      return new Session(compiled, input, performance.now() - started);
    } catch (error) {
      throw new Failure({
        got: `${entry.path}, which LiteRT.js cannot open (${error.message ?? error})`,
        allowed: 'a .tflite as evit-mobile wrote it',
        advice: 'convert again, or choose another artefact',
        cause: error,
      });
    }
  }

  constructor(compiled, input, loadMs) {
    this.compiled = compiled;
    this.shape = input.shape;
    this.layout = input.layout;
    this.loadMs = loadMs;
    this.runs = 0;
  }

  /** One image, a Float32Array in this artefact's layout -> {logits, ms}: Float32Array (classes), and what copying in, running and copying out took. */
  async run(tensor) {
    const started = performance.now();
    const input = new litert.Tensor(tensor, this.shape);
    try {
      const [output] = await this.compiled.run(input);
      const logits = Float32Array.from(await output.data());
      output.delete();
      this.runs++;
      return { logits, ms: performance.now() - started };
    } catch (error) {
      throw new Failure({ got: `an inference that failed (${error.message ?? error})`, allowed: 'one that ends', advice: 'reload the page, or choose the CPU or another artefact', cause: error });
    } finally {
      input.delete();
    }
  }

  close() {
    this.compiled.delete();
  }
}
