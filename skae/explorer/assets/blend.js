// The chosen samples, the pad between them, and their blends.

const PRESS = matchMedia("(hover: none)").matches ? "Tap" : "Click";
const HINTS = [ // by the number of samples chosen
  `${PRESS} two to four points of the map to blend them, or type the names of samples here.`,
  "Choose another point to blend with.",
  "Drag between the two, or choose more.",
  "Drag between the three, or choose a fourth.",
  `Drag between the four. ${PRESS} one to remove it.`,
];
const ARROWS = {
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
};

const say = (text, where = "status") => ($(where).textContent = text);

/** Choose a sample, or remove it; what cannot be done is said where it was asked for. */
function toggle(i, answer = "status") {
  const { chosen } = state;
  if (chosen.includes(i)) choose(chosen.filter((other) => other !== i));
  else if (chosen.length < LETTERS.length) choose([...chosen, i]);
  else say("Four are chosen. Remove one first.", answer);
}

/** Choose samples, with equal weights. */
function choose(chosen) {
  Object.assign(state, { chosen, u: 0.5, v: chosen.length === 3 ? 1 / 3 : 0.5 });
  const frame = $("pad-frame");
  frame.querySelectorAll(".corner").forEach((corner) => corner.remove());
  frame.append(...chosen.map(corner));
  frame.hidden = $("weights").hidden = $("clear").hidden = chosen.length === 0;
  $("pad").hidden = chosen.length < 2;
  frame.classList.toggle("square", chosen.length > 2);
  frame.classList.toggle("triangle", chosen.length === 3);
  $("strip").hidden = chosen.length < 2;
  say(HINTS[chosen.length]);
  ["find-answer", "choose-answer"].forEach((id) => say("", id));
  showMember();
  update();
}

/** A button that shows a chosen sample and removes it. */
function corner(i, k) {
  const button = element("button", "", { className: "corner" });
  button.title = button.ariaLabel = `Remove ${LETTERS[k]}: ${describe(i)}`;
  if (facts.columns) button.append(element("strong", facts.names[i]));
  else button.append(imageOf(i));
  button.append(element("span", `${LETTERS[k]} ×`));
  button.onclick = () => {
    toggle(i);
    // The button is gone, and the keyboard with it.
    (state.chosen.length > 1 ? $("pad") : $("name")).focus();
  };
  return button;
}

let interpolated; // the chosen samples that the strip was drawn for

const update = coalesced(async () => {
  showPad();
  drawMarks();
  if (!decode) return;
  await showBlends();
  if (interpolated !== state.chosen) await showInterpolation();
});

function showPad() {
  const parts = weights().map((w, k) => `${LETTERS[k]} ${Math.round(100 * w)} %`);
  const text = parts.join(" · ");
  $("handle").hidden = parts.length < 2;
  $("handle").style.left = `${100 * state.u}%`;
  $("handle").style.top = parts.length > 2 ? `${100 * state.v}%` : "50%";
  $("weights").textContent = text;
  $("pad").ariaValueNow = Math.round(100 * state.u);
  $("pad").ariaValueText = text;
}

async function showBlends() {
  const parts = weights();
  $("pair").hidden = parts.length === 0;
  if (parts.length === 0) return;
  const content = mix(sampleRow, parts);
  const representation = await decode(mix(codeRow, parts));
  Object.assign(state.shown, { weights: parts, representation, content });
  drawTogether([$("representation"), representation], [$("content"), content]);
  if (!facts.columns) return;
  const values = [representation, content].map(undoColumns);
  fillTable($("pair-values"), ["codes mixed", "inputs mixed"], values);
}

async function showInterpolation() {
  const chosen = state.chosen;
  interpolated = chosen;
  if (chosen.length < 2) return;
  const steps = [...Array(N_STEPS).keys()].map((k) => k / (N_STEPS - 1));
  const content = steps.map((alpha) => mix(sampleRow, [1 - alpha, alpha]));
  const along = steps.map((alpha) => mix(codeRow, [1 - alpha, alpha]));
  const representation = await Promise.all(along.map((code) => decode(code)));
  state.shown.interpolation = { representation, content };
  const kinds = Object.entries(state.shown.interpolation);
  if (facts.columns) {
    const heads = steps.map((alpha) => `${Math.round(100 * alpha)} % B`);
    for (const [kind, rows] of kinds) {
      const table = $(`interpolation-${kind}`).querySelector("table");
      fillTable(table, heads, rows.map(undoColumns));
    }
    return;
  }
  drawTogether(...kinds.flatMap(([kind, images]) => {
    const canvases = $(`interpolation-${kind}`).querySelectorAll("canvas");
    return images.map((values, k) => [canvases[k], values]);
  }));
}

function makeStrip() {
  for (const kind of ["representation", "content"]) {
    const parts = facts.columns
      ? [scroller(element("table", "", { className: "values" }))]
      : Array.from({ length: N_STEPS }, () => element("canvas"));
    const strip = $(`interpolation-${kind}`);
    strip.append(...parts);
  }
}

function move(u, v) {
  const clamp = (part) => Math.min(1, Math.max(0, part));
  Object.assign(state, { u: clamp(u), v: clamp(v) });
  update();
}

function listenToPad() {
  const pad = $("pad");
  const follow = ({ clientX, clientY }) => {
    const box = pad.getBoundingClientRect();
    move((clientX - box.left) / box.width, (clientY - box.top) / box.height);
  };
  pad.onpointerdown = (event) => {
    pad.setPointerCapture(event.pointerId);
    follow(event);
  };
  pad.onpointermove = (event) => {
    if (pad.hasPointerCapture(event.pointerId)) follow(event);
  };
  pad.onkeydown = (event) => {
    if (!(event.key in ARROWS)) return;
    event.preventDefault();
    const [right, down] = ARROWS[event.key];
    move(state.u + right / 20, state.v + down / 20);
  };
}

function listenToButtons() {
  $("clear").onclick = () => choose([]);
  $("choose").onsubmit = (event) => {
    event.preventDefault();
    const i = findName($("name"), "choose-answer");
    if (i !== null) toggle(i, "choose-answer");
  };
}
