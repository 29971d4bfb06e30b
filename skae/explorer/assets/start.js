// What happens when the page opens.

const CURVES = { // of samples that are not images
  row: "A curve joins the features in their order, each between its lowest and its highest value.",
  signal: "A curve shows a channel.",
};

async function start() {
  for (const kind of ["representation", "content"]) {
    for (let k = 0; k < N_STEPS; k++) {
      $(`interpolation-${kind}`).append(document.createElement("canvas"));
    }
  }
  $("curves").textContent = CURVES[facts.kind] ?? "";
  const isSmall = facts.kind === "image" && facts.shape[2] <= 64;
  document.body.classList.toggle("pixels", isSmall);
  await Promise.all([unpackRows(), loadPlotly(), loadDecoder()]);
  await drawMap();
  listenToMap();
  listenToPad();
  listenToButtons();
  choose(state.chosen);
  matchMedia("(prefers-color-scheme: dark)").onchange = drawMap;
  state.ready = true;
}

start().catch((error) => {
  say(`This page needs a browser of 2023 or later. It could not start: ${error.message}`);
  throw error;
});
