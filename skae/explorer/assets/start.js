// Start of the page: the map at once, then what is on it, then the decoder.

const CURVES = { // of samples that are not images
  row: "A curve joins the features in their order, each between its lowest and its highest value.",
  signal: "A curve shows a channel, between the lowest and the highest value of what is compared.",
};

function showMap() {
  readPlaces();
  $("curves").textContent = (!facts.columns && CURVES[facts.kind]) || "";
  document.body.classList.toggle("named", Boolean(facts.columns));
  const isSmall = facts.kind === "image" && facts.shape[2] <= 64;
  document.body.classList.toggle("pixels", isSmall);
  $("map").ariaLabel = `Map of the codes of ${n_samples} samples`;
  fitView();
  const [first] = fillColours();
  colourBy(first);
  listenToMap();
  matchMedia("(prefers-color-scheme: dark)").onchange = () => $("colour").onchange();
  state.drawnAt = performance.now();
}

async function startDecoder() {
  makeStrip();
  watchScrollers();
  await unpackRows();
  await loadDecoder();
  document.body.classList.add("ready");
  Object.assign(state, { ready: true, readyAt: performance.now() });
  makeSliders();
  listenToCross();
  listenToSample();
  listenToPad();
  listenToButtons();
  choose(state.chosen.length > 0 ? state.chosen : facts.start); // some are quick
  updatePlace();
  inspect(state.inspected ?? facts.start[0]);
}

function start() {
  const fail = (error) => {
    say(`This page needs a browser of 2023 or later. It could not start: ${error.message}`);
    throw error;
  };
  try {
    showMap();
  } catch (error) {
    fail(error);
  }
  document.addEventListener("DOMContentLoaded", () => startDecoder().catch(fail));
}

start();
