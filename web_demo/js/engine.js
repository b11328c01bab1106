/** LiteRT.js: loads the runtime once, compiles artefacts and runs them. */

import { Failure } from './failure.js';
import { signalOverDifference } from './predictions.js';

const PACKAGE = new URL('../node_modules/@litertjs/core/', import.meta.url);

/** What each accelerator runs on. */
export const PROCESSORS = { wasm: 'CPU, 1 thread', webgpu: 'GPU' };
const DTYPES = ['float32', 'uint8'];

/** What outputs of an accelerator need against the CPU's: fp16 keeps 45 dB and more, int8 codes that round otherwise about 30. */
const LEAST_DB = 20;
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
 * {session, accelerator, notice}: an artefact opened on `wanted`, or else on the CPU, and why. `tensorFor` makes an input of a session.
 * Throws Failure when the CPU cannot run it either.
 */
export async function openOrFallBack(entry, bytes, wanted, tensorFor) {
  try {
    const session = await openTrusted(entry, bytes, wanted, tensorFor);
    const isWhole = wanted === 'wasm' || session.compiled.isFullyAccelerated;
    return { session, accelerator: wanted, notice: isWhole ? '' : `WebGPU lacks operations of ${entry.path}; the CPU runs these.` };
  } catch (error) {
    if (wanted === 'wasm' || !(error instanceof Failure)) throw error;
    const session = await Session.open(entry, bytes, 'wasm');
    return { session, accelerator: 'wasm', notice: `WebGPU cannot run this here: ${error.got}. The CPU runs it instead.` };
  }
}

/**
 * An artefact opened on an accelerator that computes what the CPU computes: LiteRT.js reports no error where it does not. Throws Failure
 * for what is further from the CPU than rounding explains, and for what LiteRT.js cannot take.
 */
export async function openTrusted(entry, bytes, accelerator, tensorFor) {
  const session = await Session.open(entry, bytes, accelerator);
  if (accelerator === 'wasm') return session;
  const cpu = await Session.open(entry, bytes, 'wasm');
  try {
    const tensor = tensorFor(session);
    const expected = (await cpu.run(tensor)).logits;
    const found = signalOverDifference((await session.run(tensor)).logits, expected);
    if (found >= LEAST_DB) return session;
    throw new Failure({
      got: `${entry.path}, which ${PROCESSORS[accelerator]} computes wrongly here (${found.toFixed(0)} dB from the CPU)`,
      allowed: `at least ${LEAST_DB} dB`,
      advice: 'run it on the CPU, or convert it again',
    });
  } catch (error) {
    session.close();
    throw error;
  } finally {
    cpu.close();
  }
}

/** One artefact, ready to run. `loadMs` is what compiling it took. */
export class Session {
  /** `entry` is the manifest's, `bytes` the file. Throws Failure for what LiteRT.js cannot take. */
  static async open(entry, bytes, accelerator) {
    const dtypes = [entry.inputs[0].dtype, entry.outputs[0].dtype];
    if (!dtypes.every((dtype) => DTYPES.includes(dtype))) {
      throw new Failure({
        got: `${entry.path}, which takes ${dtypes[0]} and gives ${dtypes[1]}`,
        allowed: `input and output of ${DTYPES.join(' or ')}: LiteRT.js has no int8`,
        advice: 'convert with --float-io, or with --image-input and --class-output, or choose another artefact',
      });
    }
    const started = performance.now();
    try {
      const compiled = await litert.loadAndCompile(bytes, { accelerator });
      return new Session(compiled, entry, performance.now() - started);
    } catch (error) {
      throw new Failure({
        got: `${entry.path}, which LiteRT.js cannot open (${error.message ?? error})`,
        allowed: 'a .tflite as evit-mobile wrote it',
        advice: 'convert again, or choose another artefact',
        cause: error,
      });
    }
  }

  constructor(compiled, { inputs: [input], outputs: [output] }, loadMs) {
    this.compiled = compiled;
    this.shape = input.shape;
    this.layout = input.layout;
    this.takesPixels = input.dtype === 'uint8';
    this.output = output;
    this.givesProbabilities = output.name === 'probabilities';
    this.loadMs = loadMs;
    this.runs = 0;
  }

  /**
   * One image, what `inputFor` makes of it -> {logits, ms}: Float32Array (classes) of logits or, where the artefact gives these,
   * probabilities; and what copying in, running and copying out took.
   */
  async run(tensor) {
    const started = performance.now();
    const input = new litert.Tensor(tensor, this.shape);
    try {
      const [output] = await this.compiled.run(input);
      const logits = Float32Array.from(await output.data(), (value) => this.real(value));
      output.delete();
      this.runs++;
      return { logits, ms: performance.now() - started };
    } catch (error) {
      throw new Failure({ got: `an inference that failed (${error.message ?? error})`, allowed: 'one that ends', advice: 'reload the page, or choose the CPU or another artefact', cause: error });
    } finally {
      input.delete();
    }
  }

  /** What a value of the output stands for. */
  real(value) {
    const { dtype, scale, zero_point: zeroPoint } = this.output;
    return dtype === 'float32' ? value : (value - zeroPoint) * scale;
  }

  close() {
    this.compiled.delete();
  }
}
