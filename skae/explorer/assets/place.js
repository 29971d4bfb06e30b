// The cross, which decodes any place of the map, and the sliders of single units.

const STEPS_OF_SLIDER = 200;
const STEPS_OF_KEYS = 50; // across the map
const FAR = 0.05; // share of samples with neighbours as far away, below which it is a gap

/** The code at a place of the map: exactly, or on the plane through the codes. */
function codeAt([x, y]) {
  const [across, up] = facts.directions;
  return facts.centre.map((value, j) => value + x * across[j] + y * up[j]);
}

/** The place of a code on the map. */
function placeOf(code) {
  const along = (direction) =>
    direction.reduce((sum, part, j) => sum + part * (code[j] - facts.centre[j]), 0);
  const [x, y] = facts.directions.map(along);
  return [x, facts.n_components === 1 ? state.height : y];
}

function moveCross(place) {
  moveTo(codeAt(place), place[1]);
}

function moveTo(code, height = state.height) {
  Object.assign(state, { code: Array.from(code), height });
  updatePlace();
}

const updatePlace = coalesced(async () => {
  if (!decode) return;
  showCross();
  showSliders();
  const { code } = state;
  const [nearest] = findNearest(code, 1);
  const decoded = await decode(code);
  Object.assign(state.shown, { place: decoded, nearest, support: supportOf(nearest.distance) });
  drawTogether([$("decoded"), decoded]);
  if (facts.columns) fillTable($("place-values"), ["decoded"], [undoColumns(decoded)]);
  showDistance(nearest);
});

function showCross() {
  const cross = $("cross");
  const place = placeOf(state.code);
  const at = toPixel(place);
  cross.hidden = !state.ready || !isInside(at);
  cross.style.left = `${at[0]}px`;
  cross.style.top = `${at[1]}px`;
  const names = facts.n_components === 1 ? facts.axes.slice(0, 1) : facts.axes;
  const spans = [view.right - view.left, view.upper - view.lower];
  const texts = place.map((value, k) => decimals(value, { span: spans[k] }));
  cross.ariaValueText = names.map((name, k) => `${name}: ${texts[k]}`).join(", ");
  cross.ariaValueNow = texts[0];
  cross.ariaValueMin = decimals(view.left, { span: spans[0] });
  cross.ariaValueMax = decimals(view.right, { span: spans[0] });
}

// How far from the data ----------------------------------------------------------------

/** Share of the samples whose nearest neighbour is at least as far away. */
function supportOf(distance) {
  const { spacing } = facts; // quantiles, from the least to the largest
  const n_below = spacing.filter((value) => value < distance).length;
  return 1 - n_below / spacing.length;
}

function showDistance({ i, distance }) {
  const usual = facts.spacing[(facts.spacing.length - 1) / 2];
  const ratio = Number((distance / usual).toPrecision(2));
  const support = supportOf(distance);
  const isFar = support < FAR && distance > 0;
  $("distance").classList.toggle("far", isFar);
  if (distance === 0) {
    const sentence = `This is the code of sample ${facts.names[i]}.`;
    $("distance").replaceChildren(element("strong", sentence));
    return;
  }
  const percent = Math.max(1, Math.round(100 * support));
  const some = `${isFar ? "only " : ""}${percent}\u00a0% of the samples are as far from their`;
  const times = usual > 0 ? `, at ${ratio} times the median distance of neighbours` : "";
  $("distance").replaceChildren(
    element("strong", isFar ? "In a gap:" : "Near the data:"),
    ` ${support > 0 ? some : "no sample is as far from its"} nearest neighbour. `
      + `The nearest code here is that of sample ${facts.names[i]}${times}.`,
  );
}

// Sliders ------------------------------------------------------------------------------

function makeSliders() {
  const [n_shown, n_units] = [facts.units.length, facts.n_components];
  const which = n_shown < n_units ? `The ${n_shown} strongest of ${n_units} units` : "Units";
  if (n_units > 1) say(`${which} of the code, strongest first`, "units");
  for (const { unit, effect, low, high } of facts.units) {
    const label = element("label");
    const input = element("input", "", { type: "range" });
    Object.assign(input, { min: low, max: high, step: (high - low) / STEPS_OF_SLIDER || 1 });
    input.dataset.unit = unit;
    input.oninput = () => {
      const code = [...state.code];
      code[unit] = Number(input.value);
      moveTo(code);
    };
    const head = element("span", `unit ${unit}`);
    const percent = short(100 * effect);
    head.title = `One standard deviation changes ${percent} % of the variance of the samples.`;
    label.append(head, input, element("output"));
    $("sliders").append(label);
  }
}

function showSliders() {
  for (const input of $("sliders").querySelectorAll("input")) {
    const value = state.code[input.dataset.unit];
    if (Number(input.value) !== value) input.value = value;
    const span = (input.max - input.min) / 10;
    input.nextSibling.textContent = decimals(value, { span });
  }
}

function listenToCross() {
  const cross = $("cross");
  cross.onpointerdown = (event) => {
    event.stopPropagation(); // the map would move
    cross.setPointerCapture(event.pointerId);
    cross.focus();
  };
  cross.onpointermove = (event) => {
    if (!cross.hasPointerCapture(event.pointerId)) return;
    const [left, top] = pixelOf(event);
    const within = (value, low, high) => Math.min(high, Math.max(low, value));
    moveCross(toPlane([
      within(left, MARGIN.left, size.width - MARGIN.right),
      within(top, MARGIN.top, size.height - MARGIN.bottom),
    ]));
  };
  cross.onpointerup = (event) => event.stopPropagation();
  cross.onkeydown = (event) => {
    if (!(event.key in ARROWS)) return;
    event.preventDefault();
    const [right, down] = ARROWS[event.key];
    const [x, y] = placeOf(state.code);
    moveCross([
      x + (right * (view.right - view.left)) / STEPS_OF_KEYS,
      y - (down * (view.upper - view.lower)) / STEPS_OF_KEYS,
    ]);
  };
  $("reset").onclick = () => moveTo(facts.mean, MIDDLE);
}
