// The samples nearest to a code, the card at the pointer, and the panel of a sample.

const N_NEIGHBOURS = 5;

/** The samples nearest to a code, the nearest first, and their distances. */
function findNearest(code, count, except = -1) {
  const width = facts.n_components;
  const found = [];
  for (let i = 0; i < n_samples; i++) {
    if (i === except) continue;
    let square = 0;
    for (let j = 0; j < width; j++) square += (codes[i * width + j] - code[j]) ** 2;
    if (found.length === count && square >= found[count - 1].square) continue;
    let k = found.length;
    while (k > 0 && found[k - 1].square > square) k--;
    found.splice(k, 0, { i, square });
    if (found.length > count) found.pop();
  }
  return found.map(({ i, square }) => ({ i, distance: Math.sqrt(square) }));
}

const neighboursOf = (i) => findNearest(codeRow(i), N_NEIGHBOURS, i);

function labelOf(i) {
  const { classes, values } = facts.labels;
  const value = values[i];
  if (value === null) return MISSING;
  return classes ? classes[value] : String(Number(value.toPrecision(4)));
}

function describe(i) {
  return `sample ${facts.names[i]}${facts.labels ? `, label ${labelOf(i)}` : ""}`;
}

/** A sample and its reconstruction, with the values of columns. */
async function showSample(prefix, i, isStill) {
  const heads = ["sample", "reconstruction"];
  const values = sampleRow(i);
  const [left, right] = [$(`${prefix}-sample`), $(`${prefix}-reconstruction`)];
  const cellsOf = facts.columns ? valuesOfSample(i) : null;
  drawTogether([left, values]);
  if (cellsOf) fillTable($(`${prefix}-values`), heads, [cellsOf]);
  if (!decode) return null;
  const reconstruction = await decode(codeRow(i));
  if (!isStill()) return null; // the pointer may have gone on while the decoder ran
  drawTogether([left, values], [right, reconstruction]);
  if (cellsOf) {
    fillTable($(`${prefix}-values`), heads, [cellsOf, undoColumns(reconstruction)]);
  }
  return reconstruction;
}

// The card at the pointer --------------------------------------------------------------

async function showCard(i, event) {
  if (!rowsOfSamples) return;
  const card = $("card");
  card.dataset.index = i;
  $("card-text").textContent = describe(i);
  const near = neighboursOf(i);
  $("card-neighbours").replaceChildren(...near.map(({ i: j }) => thumbnail(j, "span")));
  card.hidden = false;
  const shown = showSample("card", i, () => card.dataset.index === String(i));
  placeCard(event);
  await shown;
}

function placeCard({ clientX, clientY }) {
  const card = $("card");
  const { width, height } = card.getBoundingClientRect();
  const isBeyond = clientX + 16 + width > document.documentElement.clientWidth;
  const left = isBeyond ? clientX - 16 - width : clientX + 16;
  const top = Math.min(clientY - height / 2, innerHeight - height - 4);
  card.style.left = `${Math.max(4, left)}px`;
  card.style.top = `${Math.max(4, top)}px`;
}

function imageOf(i) {
  const canvas = element("canvas");
  drawTogether([canvas, sampleRow(i)]);
  return canvas;
}

/** A small image of a sample with its name; of tables the name only. */
function thumbnail(i, tag) {
  const made = element(tag, "", { className: "thumbnail" });
  if (!facts.columns) made.append(imageOf(i));
  made.append(element("span", facts.names[i]));
  if (facts.labels) made.append(element("small", labelOf(i)));
  return made;
}

// The panel ----------------------------------------------------------------------------

/** Keep a sample in the panel, with its neighbours. */
async function inspect(i) {
  state.inspected = i;
  say("", "find-answer");
  const near = neighboursOf(i);
  state.neighbours = near.map(({ i: j }) => j);
  const error = facts.errors[i];
  say(describe(i), "sample-text");
  if (error !== null) {
    const name = element("abbr", "reconstruction error", { title: ABOUT_ERRORS });
    $("sample-text").append(", ", name, ` ${short(error)}`);
  }
  $("neighbours").replaceChildren(...near.map(({ i: j, distance }) => {
    const button = thumbnail(j, "button");
    button.type = "button";
    button.title = `${describe(j)}, at a distance of ${short(distance)}`;
    button.ariaLabel = `Go to ${button.title}`;
    button.onclick = async () => {
      await inspect(j);
      $("neighbours").querySelector("button")?.focus(); // the old ones are gone
    };
    return button;
  }));
  showMember();
  drawMarks();
  state.busy++;
  try {
    state.shown.reconstruction = await showSample("panel", i, () => state.inspected === i);
  } finally {
    state.busy--;
  }
}

/** Say whether the sample of the panel is one of those that are blended. */
function showMember() {
  const isMember = state.chosen.includes(state.inspected);
  $("member").textContent = isMember ? "Remove from the blend" : "Add to the blend";
}

function listenToSample() {
  $("member").onclick = () => toggle(state.inspected, "find-answer");
  $("visit").onclick = () => moveTo(codeRow(state.inspected), places[2 * state.inspected + 1]);
  $("find").onsubmit = (event) => {
    event.preventDefault();
    const i = findName($("find-name"), "find-answer");
    if (i !== null) inspect(i);
  };
}

/** The sample whose name is in a field; null, and an answer, if there is none. */
function findName(field, answer) {
  const name = field.value.trim();
  const i = facts.names.indexOf(name);
  field.value = "";
  say(i < 0 ? `No sample ${name} on this map.` : "", answer);
  return i < 0 ? null : i;
}
