// What the colours of the map mean, and the legend.

// Okabe and Ito's colours, which readers with any colour vision can tell apart; with five
// shapes they are 35 marks. The last one stands out from a light or a dark ground.
const PALETTE = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00"];
const LAST_COLOUR = { light: "#5a5a5a", dark: "#f0e442" };
const SHAPES = ["circle", "triangle", "square", "cross", "diamond"];
const VIRIDIS = [
  [68, 1, 84], [72, 40, 120], [62, 73, 137], [49, 104, 142], [38, 130, 142],
  [31, 158, 137], [53, 183, 121], [110, 206, 88], [181, 222, 43], [253, 231, 37],
];
const N_SHADES = 64;
const ABOUT_ERRORS = "-score_samples: the loss of the sample, summed over its features; half "
  + "the summed squared error with the default loss. In the units that the autoencoder sees: "
  + "after the first steps of a Pipeline.";
const MOST_NUMBERED = 100; // columns without names that are offered
const isDark = () => matchMedia("(prefers-color-scheme: dark)").matches;

// How samples are painted: the mark of each style, the style of each sample, and which
// styles are hidden, or, if it is not hidden, alone in full colour.
const paint = { styles: [], of: null, hidden: new Set(), lit: null };

/** A colour of viridis, without the end that the page would swallow. */
function shade(part) {
  const [first, last] = isDark() ? [2, 9] : [0, 8.5];
  const at = first + part * (last - first);
  const k = Math.min(8, Math.floor(at));
  const mixed = VIRIDIS[k].map((x, j) => x + (at - k) * (VIRIDIS[k + 1][j] - x));
  return `rgb(${mixed.map(Math.round).join(" ")})`;
}

/** Everything that can be coloured by: a name and, when asked, classes and values. */
function colourings() {
  const found = [];
  if (facts.labels) found.push({ name: "label", read: () => facts.labels });
  const errors = { classes: null, values: facts.errors };
  found.push({ name: "reconstruction error", read: () => errors, about: ABOUT_ERRORS });
  if (facts.columns) {
    facts.columns.forEach((column, j) => {
      found.push({ name: column.name, read: () => readColumn(column, j) });
    });
  } else if (facts.kind === "row") {
    for (let j = 0; j < Math.min(facts.shape[1], MOST_NUMBERED); j++) {
      found.push({ name: `column ${j}`, read: () => readFeature(j) });
    }
  }
  return found;
}

function readFeature(j) {
  const values = Array.from({ length: n_samples }, (_, i) => sampleRow(i)[j]);
  return { classes: null, values };
}

function readColumn(column, j) {
  const values = Array.from({ length: n_samples }, (_, i) => valuesOfSample(i)[j]);
  const known = values.map((value) => (Number.isNaN(value) ? null : value));
  if (column.kind === "boolean") return { classes: ["False", "True"], values: known };
  if (column.kind === "category") return { classes: column.categories, values: known };
  return { classes: null, values: known, text: (value) => cellText(value, column) };
}

function colourBy(coloring) {
  const { classes, values, text = short } = coloring.read();
  Object.assign(paint, { hidden: new Set(), lit: null });
  if (classes) paintClasses(classes, values);
  else paintNumbers(coloring.name, values, text);
  $("colour").title = $("legend").title = coloring.about ?? "";
  drawMap();
}

const short = (value) => String(Number(value.toPrecision(3)));

function paintClasses(classes, values) {
  const palette = [...PALETTE, LAST_COLOUR[isDark() ? "dark" : "light"]];
  const mark = (k) => ({
    colour: palette[k % palette.length],
    shape: SHAPES[Math.floor(k / palette.length) % SHAPES.length],
  });
  paint.styles = [...classes.map((_, k) => mark(k)), unknownMark()];
  paint.of = Uint16Array.from(values, (value) => value ?? classes.length);
  const counts = new Array(classes.length + 1).fill(0);
  for (const k of paint.of) counts[k]++;
  const all = [...classes, MISSING].map((name, k) => ({ name, k, count: counts[k] }));
  showClasses(all.filter(({ count }) => count > 0));
}

const unknownMark = () => ({ colour: isDark() ? "#6b737d" : "#b4bac2", shape: "circle" });

function paintNumbers(name, values, text) {
  const known = values.filter((value) => value !== null).sort((a, b) => a - b);
  const at = (part) => known[Math.round(part * (known.length - 1))] ?? 0;
  const [low, high] = [at(0.01), at(0.99)]; // few extreme values would hide all others
  const part = (value) => Math.min(1, Math.max(0, (value - low) / (high - low || 1)));
  const shades = [...Array(N_SHADES).keys()].map((k) => shade(k / (N_SHADES - 1)));
  paint.styles = [...shades.map((colour) => ({ colour, shape: "circle" })), unknownMark()];
  paint.of = Uint16Array.from(values, (value) =>
    value === null ? N_SHADES : Math.round(part(value) * (N_SHADES - 1)));
  const ends = [
    (at(0) < low ? "≤ " : "") + text(low), (at(1) > high ? "≥ " : "") + text(high),
  ];
  showScale(name, shades, ends, known.length < values.length);
}

// The legend ---------------------------------------------------------------------------

function showScale(name, shades, [low, high], hasUnknown) {
  const bar = element("span", "", { className: "bar" });
  bar.style.background = `linear-gradient(to right, ${shades.join(",")})`;
  const parts = [element("span", low), bar, element("span", high)];
  if (hasUnknown) parts.push(swatch(paint.styles.at(-1)), element("span", MISSING));
  const legend = element("div", "", { className: "scale", role: "img" });
  legend.ariaLabel = `Colours: ${name} from ${low} to ${high}`;
  legend.append(...parts);
  $("legend").replaceChildren(legend);
}

function showClasses(entries) {
  const buttons = entries.map(({ name, k, count }) => {
    const button = element("button", "", { type: "button", title: `${count} samples` });
    button.append(swatch(paint.styles[k]), element("span", name));
    button.onclick = () => hide(k, !paint.hidden.has(k));
    button.onmouseenter = button.onfocus = () => light(k);
    button.onmouseleave = button.onblur = () => light(null);
    button.dataset.style = k;
    return button;
  });
  const all = (isHidden) => entries.forEach(({ k }) => hide(k, isHidden));
  const only = (text, isHidden) =>
    element("button", text, { type: "button", className: "all", onclick: () => all(isHidden) });
  if (entries.length > 2) buttons.push(only("All", false), only("None", true));
  $("legend").replaceChildren(...buttons);
  showPressed();
}

function showPressed() {
  for (const button of $("legend").querySelectorAll("[data-style]")) {
    button.ariaPressed = String(!paint.hidden.has(Number(button.dataset.style)));
  }
}

function hide(k, isHidden) {
  if (isHidden) paint.hidden.add(k);
  else paint.hidden.delete(k);
  showPressed();
  scheduleMap();
}

function light(k) {
  paint.lit = k;
  scheduleMap();
}

const isHidden = (i) => paint.hidden.has(paint.of[i]);

function swatch(style) {
  const canvas = element("canvas", "", { className: "swatch", width: 24, height: 24 });
  drawMark(canvas.getContext("2d"), style, 12, 9);
  return canvas;
}

function drawMark(context, { colour, shape }, centre, radius) {
  const [c, r] = [centre, radius];
  const polygons = { // of about the same area
    square: [[-0.85, -0.85], [0.85, -0.85], [0.85, 0.85], [-0.85, 0.85]],
    triangle: [[0, -1.3], [1.25, 0.95], [-1.25, 0.95]],
    diamond: [[0, -1.2], [1.2, 0], [0, 1.2], [-1.2, 0]],
    cross: [
      [-0.4, -1.1], [0.4, -1.1], [0.4, -0.4], [1.1, -0.4], [1.1, 0.4], [0.4, 0.4],
      [0.4, 1.1], [-0.4, 1.1], [-0.4, 0.4], [-1.1, 0.4], [-1.1, -0.4], [-0.4, -0.4],
    ],
  };
  context.fillStyle = colour;
  context.beginPath();
  if (shape === "circle") context.arc(c, c, r, 0, 2 * Math.PI);
  else polygons[shape].forEach(([x, y]) => context.lineTo(c + r * x, c + r * y));
  context.fill();
}

function fillColours() {
  const all = colourings();
  $("colour").replaceChildren(...all.map(({ name, about = "" }, k) =>
    element("option", name, { value: k, title: about })));
  $("colour").onchange = () => colourBy(all[$("colour").value]);
  return all;
}
