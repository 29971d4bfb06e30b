"use strict";

// The data of the page, how they are unpacked, and what is computed from them.

const $ = (id) => document.getElementById(id);
const LETTERS = ["A", "B", "C", "D"];
const N_STEPS = 7;
const MISSING = "missing"; // what gaps are called
const MIDDLE = 0.5; // of the heights of codes of one unit

const facts = JSON.parse($("facts").textContent); // documented in skae.explorer._facts
const n_samples = facts.names.length;
let places, codes, cells, rowsOfSamples; // one row after the other, n_samples of them
let decode = null; // from codes, one after the other, to rows in the units of X

// What is chosen and shown: also for tests.
const state = {
  chosen: [], // samples to blend
  u: 0.5, v: 0.5, // position of the handle between them
  code: facts.mean, // of the cross
  height: MIDDLE, // of the cross, where the code has one unit
  inspected: null, // sample of the panel
  hovered: null, // sample under the pointer
  shown: {},
  busy: 0, // updates that are running
  ready: false, // whether the decoder runs
};
window.skae = state;

/** The bytes of a packed element, which is removed. */
function takeBytes(id) {
  const text = $(id).textContent;
  $(id).remove();
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

async function unpack(id) {
  const inflate = new DecompressionStream("gzip");
  const inflated = new Blob([takeBytes(id)]).stream().pipeThrough(inflate);
  return new Response(inflated).arrayBuffer();
}

/** Read what the map needs, which is not compressed: it is drawn at once. */
function readPlaces() {
  places = new Float32Array(takeBytes("places").buffer);
}

async function unpackRows() {
  const [code, sample] = await Promise.all([unpack("codes"), unpack("samples")]);
  codes = new Float32Array(code);
  rowsOfSamples = facts.levels ? new Uint8Array(sample) : new Float32Array(sample);
  if (facts.has_cells) cells = new Float64Array(await unpack("cells"));
  if (facts.back?.is_matrix) {
    facts.back.matrix = new Float32Array(await unpack("matrix"));
  }
}

const asScript = (buffer) =>
  URL.createObjectURL(new Blob([buffer], { type: "text/javascript" }));

// A page from a disk may start no threads, and may not fetch the binary of the runtime:
// it is handed over.
async function loadDecoder() {
  const ort = await import(asScript(await unpack("runtime")));
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = await unpack("binary");
  const session = await ort.InferenceSession.create(await unpack("decoder"));
  const [input] = session.inputNames;
  const [output] = session.outputNames;
  decode = async (rows) => {
    const shape = [rows.length / facts.n_components, facts.n_components];
    const tensor = new ort.Tensor("float32", Float32Array.from(rows), shape);
    const decoded = await session.run({ [input]: tensor });
    return undoSteps(decoded[output].data, shape[0]);
  };
}

/** Undo the steps of a pipeline before the autoencoder. */
function undoSteps(rows, n_rows) {
  const { back } = facts;
  if (!back) return rows;
  const { offset, scale, matrix } = back;
  const [n_in, n_out] = [rows.length / n_rows, offset.length];
  const found = new Float64Array(n_rows * n_out);
  for (let i = 0; i < n_rows; i++) {
    for (let j = 0; j < n_out; j++) {
      let sum = offset[j];
      if (!matrix) sum += scale[j] * rows[i * n_in + j];
      else for (let k = 0; k < n_in; k++) sum += rows[i * n_in + k] * matrix[k * n_out + j];
      found[i * n_out + j] = sum;
    }
  }
  return found;
}

function row(rows, i) {
  const width = rows.length / n_samples;
  return rows.slice(i * width, (i + 1) * width);
}

function sampleRow(i) {
  const values = row(rowsOfSamples, i);
  return facts.levels ? Float32Array.from(values, (level) => facts.levels[level]) : values;
}

const codeRow = (i) => row(codes, i);

/** Weighted sum of the rows of what is chosen. */
function mix(rowOf, weights) {
  let sum;
  weights.forEach((weight, k) => {
    const values = rowOf(state.chosen[k]);
    sum ??= new Float64Array(values.length);
    values.forEach((value, j) => (sum[j] += weight * value));
  });
  return sum;
}

/** The weights at the handle: A and B above, C and D below. Three share a square whose
 * lower side is all C. */
function weights() {
  const { u, v } = state;
  const across = [1 - u, u];
  const above = across.map((w) => w * (1 - v));
  const below = across.map((w) => w * v);
  return [[], [1], across, [...above, v], [...above, ...below]][state.chosen.length];
}

/** A function that runs a task, and once more if it is called while the task runs. */
function coalesced(task) {
  let isRunning = false;
  let isOutdated = false;
  return async () => {
    isOutdated = true;
    if (isRunning) return;
    isRunning = true;
    state.busy++;
    try {
      while (isOutdated) {
        isOutdated = false;
        await task();
        await new Promise(requestAnimationFrame);
      }
    } finally {
      isRunning = false;
      state.busy--;
    }
  };
}

function element(tag, text = "", properties = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  return Object.assign(made, properties);
}
