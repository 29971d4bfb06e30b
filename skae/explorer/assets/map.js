// The map: a canvas of the points and the axes, and a canvas above it of what is marked.

const MARGIN = { left: 56, right: 12, top: 10, bottom: 42 }; // pixels, for the axes
const NO_AXIS = "(heights mean nothing)"; // of a code of one unit
const view = { left: 0, right: 1, lower: 0, upper: 1 }; // the part of the plane that is seen
const size = { width: 0, height: 0 }; // of the map, in pixels of CSS

const colour = (name) => getComputedStyle(document.body).getPropertyValue(name).trim();

function fitView() {
  const ends = [Infinity, -Infinity, Infinity, -Infinity];
  for (let i = 0; i < n_samples; i++) {
    ends[0] = Math.min(ends[0], places[2 * i]);
    ends[1] = Math.max(ends[1], places[2 * i]);
    ends[2] = Math.min(ends[2], places[2 * i + 1]);
    ends[3] = Math.max(ends[3], places[2 * i + 1]);
  }
  const margin = (low, high) => 0.05 * (high - low) || 0.5;
  const [x, y] = [margin(ends[0], ends[1]), margin(ends[2], ends[3])];
  Object.assign(view, {
    left: ends[0] - x, right: ends[1] + x, lower: ends[2] - y, upper: ends[3] + y,
  });
}

/** Pixels for one unit of the plane, across and down. */
function scales() {
  const width = size.width - MARGIN.left - MARGIN.right;
  const height = size.height - MARGIN.top - MARGIN.bottom;
  return [width / (view.right - view.left), height / (view.upper - view.lower)];
}

function toPixel([x, y]) {
  const [across, down] = scales();
  return [MARGIN.left + (x - view.left) * across, MARGIN.top + (view.upper - y) * down];
}

function toPlane([left, top]) {
  const [across, down] = scales();
  return [view.left + (left - MARGIN.left) / across, view.upper - (top - MARGIN.top) / down];
}

function isInside([left, top]) {
  return left >= MARGIN.left && left <= size.width - MARGIN.right
    && top >= MARGIN.top && top <= size.height - MARGIN.bottom;
}

/** Move the view by pixels, and enlarge it about a pixel that stays where it is. */
function moveView(right, down, factor = 1, about = [0, 0]) {
  const [x, y] = toPlane(about);
  const [across, height] = scales();
  for (const side of ["left", "right"]) {
    view[side] = x + (view[side] - x) / factor - right / across / factor;
  }
  for (const side of ["lower", "upper"]) {
    view[side] = y + (view[side] - y) / factor + down / height / factor;
  }
  scheduleMap();
}

function prepare(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [size.width, size.height].map((x) => Math.round(x * ratio));
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: canvas.id === "map" });
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, size.width, size.height);
  return context;
}

let isScheduled = false;

function scheduleMap() {
  if (isScheduled) return;
  isScheduled = true;
  requestAnimationFrame(() => {
    isScheduled = false;
    drawMap();
  });
}

function drawMap() {
  const { width, height } = $("map-frame").getBoundingClientRect();
  Object.assign(size, { width, height });
  const context = prepare($("map"));
  context.fillStyle = colour("--panel"); // opaque, so that points can be mixed with it
  context.fillRect(0, 0, size.width, size.height);
  drawAxis(context, 0);
  drawAxis(context, 1);
  drawPoints(context);
  drawMarks();
  showCross();
}

// Axes ---------------------------------------------------------------------------------

/** Round numbers between two others, about n of them. */
function ticks(low, high, n) {
  const rough = (high - low) / n;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * power).find((x) => x >= rough);
  const found = [];
  for (let k = Math.ceil(low / step); k * step <= high && found.length < 50; k++) {
    found.push(Number((k * step).toPrecision(12)));
  }
  return found;
}

function drawAxis(context, axis) {
  const isAcross = axis === 0;
  const title = facts.axes[axis] || NO_AXIS;
  const [low, high] = isAcross ? [view.left, view.right] : [view.lower, view.upper];
  const [bottom, right] = [size.height - MARGIN.bottom, size.width - MARGIN.right];
  Object.assign(context, {
    font: "12px system-ui, sans-serif", fillStyle: colour("--soft"),
    strokeStyle: colour("--line"), lineWidth: 1,
    textAlign: isAcross ? "center" : "right", textBaseline: isAcross ? "top" : "middle",
  });
  const shown = title === NO_AXIS ? [] : ticks(low, high, isAcross ? size.width / 85 : 6);
  for (const value of shown) {
    const [left, top] = toPixel(isAcross ? [value, view.lower] : [view.left, value]);
    const line = isAcross ? [left, MARGIN.top, left, bottom] : [MARGIN.left, top, right, top];
    context.globalAlpha = 0.5;
    context.beginPath();
    context.moveTo(line[0], line[1]);
    context.lineTo(line[2], line[3]);
    context.stroke();
    context.globalAlpha = 1;
    context.fillText(String(value), isAcross ? left : MARGIN.left - 5, isAcross ? bottom + 5 : top);
  }
  context.save();
  context.fillStyle = colour("--ink");
  context.textAlign = "center";
  context.textBaseline = "alphabetic";
  if (isAcross) context.translate((MARGIN.left + right) / 2, size.height - 7);
  else {
    context.translate(14, (MARGIN.top + bottom) / 2);
    context.rotate(-Math.PI / 2);
  }
  context.fillText(title, 0, 0, isAcross ? right - MARGIN.left : bottom - MARGIN.top);
  context.restore();
}

// Points -------------------------------------------------------------------------------

const pointRadius = () => (n_samples > 5000 ? 2.2 : n_samples > 1500 ? 3 : 3.8);

/** The pixels that the mark of a style covers: rows of x, y and opacity. */
function maskOf(style, ratio) {
  const radius = pointRadius() * ratio;
  const half = Math.ceil(1.35 * radius) + 1;
  const pen = element("canvas", "", { width: 2 * half, height: 2 * half })
    .getContext("2d", { willReadFrequently: true });
  drawMark(pen, style, half, radius);
  const { data } = pen.getImageData(0, 0, 2 * half, 2 * half);
  const mask = [];
  for (let k = 0; k < 4 * half * half; k++) {
    const opacity = data[4 * k + 3] / 255;
    if (opacity > 0) mask.push((k % (2 * half)) - half, Math.floor(k / (2 * half)) - half, opacity);
  }
  const middle = 4 * (half * 2 * half + half);
  return { mask: Float32Array.from(mask), rgb: data.slice(middle, middle + 3) };
}

/** Draw all points, pixel by pixel: thousands of them are slow for a canvas. */
function drawPoints(context) {
  const ratio = window.devicePixelRatio || 1;
  const [left, top, right, bottom] = [
    MARGIN.left, MARGIN.top, size.width - MARGIN.right, size.height - MARGIN.bottom,
  ].map((x) => Math.round(x * ratio));
  const [width, height] = [right - left, bottom - top];
  if (width < 1 || height < 1) return;
  const image = context.getImageData(left, top, width, height);
  const marks = paint.styles.map((style) => maskOf(style, ratio));
  const [across, down] = scales().map((x) => x * ratio);
  const lit = paint.hidden.has(paint.lit) ? null : paint.lit;
  for (const isLit of lit === null ? [true] : [false, true]) {
    for (let i = 0; i < n_samples; i++) {
      const k = paint.of[i];
      if (paint.hidden.has(k) || (lit !== null && isLit !== (k === lit))) continue;
      const x = Math.round((places[2 * i] - view.left) * across);
      const y = Math.round((view.upper - places[2 * i + 1]) * down);
      blendMark(image, marks[k], x, y, isLit ? 0.8 : 0.12);
    }
  }
  context.putImageData(image, left, top);
}

function blendMark({ data, width, height }, { mask, rgb }, x, y, opacity) {
  const [red, green, blue] = rgb;
  for (let m = 0; m < mask.length; m += 3) {
    const [column, line] = [x + mask[m], y + mask[m + 1]];
    if (column < 0 || line < 0 || column >= width || line >= height) continue;
    const k = 4 * (line * width + column);
    const alpha = mask[m + 2] * opacity;
    data[k] += (red - data[k]) * alpha;
    data[k + 1] += (green - data[k + 1]) * alpha;
    data[k + 2] += (blue - data[k + 2]) * alpha;
  }
}

/** The point nearest to a pixel, null if none is within reach. */
function findPoint([left, top], reach) {
  const [across, down] = scales();
  let [found, least] = [null, reach ** 2];
  for (let i = 0; i < n_samples; i++) {
    const x = MARGIN.left + (places[2 * i] - view.left) * across - left;
    const y = MARGIN.top + (view.upper - places[2 * i + 1]) * down - top;
    const square = x * x + y * y;
    if (square <= least && !isHidden(i)) [found, least] = [i, square];
  }
  return found;
}

// Marks --------------------------------------------------------------------------------

function drawMarks() {
  const context = prepare($("marks"));
  const ink = colour("--ink");
  Object.assign(context, { strokeStyle: ink, lineWidth: 1 });
  drawWalk(context);
  for (const i of state.neighbours ?? []) ring(context, i, 6, 1);
  if (state.inspected !== null) ring(context, state.inspected, 8, 2);
  if (state.hovered !== null) ring(context, state.hovered, 8, 2);
  drawLetters(context, ink);
  if (state.ready && state.chosen.length > 1) drawBlend(context);
}

function ring(context, i, radius, lineWidth) {
  const at = toPixel(row(places, i));
  if (!isInside(at)) return;
  context.lineWidth = lineWidth;
  context.beginPath();
  context.arc(...at, radius, 0, 2 * Math.PI);
  context.stroke();
}

/** The way from A to B, whose steps the strip shows. */
function drawWalk(context) {
  const [a, b] = state.chosen;
  if (b === undefined) return;
  context.setLineDash([2, 3]);
  context.beginPath();
  context.moveTo(...toPixel(row(places, a)));
  context.lineTo(...toPixel(row(places, b)));
  context.stroke();
  context.setLineDash([]);
}

function drawLetters(context, ink) {
  Object.assign(context, {
    font: "bold 12px system-ui, sans-serif", textAlign: "center", textBaseline: "middle",
  });
  state.chosen.forEach((i, k) => {
    const [left, top] = toPixel(row(places, i));
    if (!isInside([left, top])) return;
    context.fillStyle = ink;
    context.fillRect(left - 8, top - 8, 16, 16);
    context.fillStyle = colour("--page");
    context.fillText(LETTERS[k], left, top + 1);
  });
}

/** A dot at the blend of what is chosen. */
function drawBlend(context) {
  const at = toPixel(mix((i) => row(places, i), weights()));
  if (!isInside(at)) return;
  Object.assign(context, { fillStyle: colour("--accent"), strokeStyle: colour("--page") });
  context.lineWidth = 2;
  context.beginPath();
  context.arc(...at, 6, 0, 2 * Math.PI);
  context.fill();
  context.stroke();
}
