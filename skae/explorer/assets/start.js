// Start of the page.

const CURVES = { // of samples that are not images
  row: "A curve joins the features in their order, each between its lowest and its highest value.",
  table: "A curve joins the columns in their order, each between its lowest and its highest value; the tables have their names.",
  signal: "A curve shows a channel.",
};

async function start() {
  for (const kind of ["representation", "content"]) {
    for (let k = 0; k < N_STEPS; k++) {
      $(`interpolation-${kind}`).append(document.createElement("canvas"));
    }
  }
  $("curves").textContent = CURVES[facts.columns ? "table" : facts.kind] ?? "";
  document.body.classList.toggle("named", Boolean(facts.columns));
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
