"use strict";

// The data of the page, how they are unpacked, and what is computed from them.

const $ = (id) => document.getElementById(id);
const LETTERS = ["A", "B", "C", "D"];
const N_STEPS = 7;

const facts = JSON.parse($("facts").textContent); // written by skae.explorer
const n_samples = facts.names.length;
let samples, codes, places; // one row after the other, n_samples of them
let decode; // from codes, one after the other, to reconstructions

// What is chosen, where the handle of the pad stands, and what is drawn: for tests, too.
const state = { chosen: facts.start, u: 0.5, v: 0.5, shown: {}, ready: false };
window.skae = state;

async function unpack(id) {
  const packed = Uint8Array.from(atob($(id).textContent), (c) => c.charCodeAt(0));
  const inflated = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  $(id).remove();
  return new Response(inflated).arrayBuffer();
}

async function unpackRows() {
  codes = new Float32Array(await unpack("codes"));
  places = new Float32Array(await unpack("places"));
  const buffer = await unpack("samples");
  samples = facts.levels
    ? Float32Array.from(new Uint8Array(buffer), (level) => facts.levels[level])
    : new Float32Array(buffer);
}

const asScript = (buffer) =>
  URL.createObjectURL(new Blob([buffer], { type: "text/javascript" }));

async function loadPlotly() {
  const script = document.createElement("script");
  script.src = asScript(await unpack("plotly"));
  const loaded = new Promise((resolve, reject) => {
    script.onload = resolve;
    script.onerror = () => reject(new Error("plotly.js does not run"));
  });
  document.head.append(script);
  await loaded;
}

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
    const tensor = new ort.Tensor("float32", rows, shape);
    return (await session.run({ [input]: tensor }))[output].data;
  };
}

function row(rows, i) {
  const width = rows.length / n_samples;
  return rows.slice(i * width, (i + 1) * width);
}

/** Weighted sum of the rows of what is chosen. */
function mix(rows, weights) {
  const sum = new Float64Array(rows.length / n_samples);
  weights.forEach((weight, k) =>
    row(rows, state.chosen[k]).forEach((value, j) => (sum[j] += weight * value)));
  return Float32Array.from(sum);
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
