// The chosen samples, the pad between them, and their blends.

const HINTS = [ // by the number of samples chosen
  "Choose two to four points of the map.",
  "Choose another point to blend with.",
  "Drag between the two, or choose more.",
  "Drag between the three, or choose a fourth.",
  "Drag between the four. Click one to remove it.",
];

const say = (text) => ($("status").textContent = text);

function toggle(i) {
  const { chosen } = state;
  if (chosen.includes(i)) choose(chosen.filter((other) => other !== i));
  else if (chosen.length < LETTERS.length) choose([...chosen, i]);
  else say("Four are chosen. Remove one first.");
}

function choose(chosen) {
  Object.assign(state, { chosen, u: 0.5, v: 0.5 });
  const frame = $("pad-frame");
  frame.querySelectorAll(".corner").forEach((corner) => corner.remove());
  frame.append(...chosen.map(corner));
  frame.classList.toggle("square", chosen.length > 2);
  frame.classList.toggle("triangle", chosen.length === 3);
  $("strip").hidden = chosen.length < 2;
  say(HINTS[chosen.length]);
  Plotly.relayout($("map"), marks());
  update();
}

/** A button that shows a chosen sample and removes it. */
function corner(i, k) {
  const button = document.createElement("button");
  const canvas = document.createElement("canvas");
  const text = document.createElement("span");
  button.className = "corner";
  button.title = button.ariaLabel = `Remove ${LETTERS[k]}: ${describe(i)}`;
  text.textContent = `${LETTERS[k]} ×`;
  button.append(canvas, text);
  button.onclick = () => {
    toggle(i);
    $("pad").focus(); // the button is gone, and the keyboard with it
  };
  draw(canvas, row(samples, i));
  return button;
}

let isRunning = false;
let isOutdated = false;
let interpolated; // the chosen samples that the strip was drawn for

/** Show the blends at the handle; if it moves meanwhile, once more where it is then. */
async function update() {
  isOutdated = true;
  if (isRunning) return;
  isRunning = true;
  while (isOutdated) {
    isOutdated = false;
    showPad();
    showCross();
    await showBlends();
    if (interpolated !== state.chosen) await showInterpolation();
    await new Promise(requestAnimationFrame);
  }
  isRunning = false;
}

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
  const content = mix(samples, parts);
  const representation = await decode(mix(codes, parts));
  Object.assign(state.shown, { weights: parts, representation, content });
  draw($("representation"), representation);
  draw($("content"), content);
  fillTable($("pair-values"), ["codes mixed", "inputs mixed"], [representation, content]);
}

async function showInterpolation() {
  interpolated = state.chosen;
  if (interpolated.length < 2) return;
  const steps = [...Array(N_STEPS).keys()].map((k) => k / (N_STEPS - 1));
  const content = steps.map((alpha) => mix(samples, [1 - alpha, alpha]));
  const along = steps.map((alpha) => mix(codes, [1 - alpha, alpha]));
  const representation = await Promise.all(along.map((code) => decode(code)));
  state.shown.interpolation = { representation, content };
  for (const [kind, images] of Object.entries(state.shown.interpolation)) {
    const canvases = $(`interpolation-${kind}`).querySelectorAll("canvas");
    images.forEach((values, k) => draw(canvases[k], values));
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
  const arrows = {
    ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
  };
  pad.onkeydown = (event) => {
    if (!(event.key in arrows)) return;
    event.preventDefault();
    const [right, down] = arrows[event.key];
    move(state.u + right / 20, state.v + down / 20);
  };
}

function listenToButtons() {
  $("clear").onclick = () => choose([]);
  $("choose").onsubmit = (event) => {
    event.preventDefault();
    const name = $("name").value.trim();
    const i = facts.names.indexOf(name);
    $("name").value = "";
    if (i < 0) say(`No sample ${name} on this map.`);
    else toggle(i);
  };
}
