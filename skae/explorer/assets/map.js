// The map of the codes, and the card of the point under the pointer.

const colour = (name) => getComputedStyle(document.body).getPropertyValue(name).trim();

const NO_AXIS = "(heights mean nothing)"; // of a code of one unit

/** Text that plotly shall not take for markup. */
const plain = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

function traces() {
  const trace = (members, marker, name = "") => ({
    type: "scatter",
    mode: "markers",
    x: members.map((i) => places[2 * i]),
    y: members.map((i) => places[2 * i + 1]),
    customdata: members,
    hoverinfo: "none",
    marker: { size: 7, opacity: 0.8, ...marker },
    name: plain(name),
    showlegend: name !== "",
  });
  const { classes, labels } = facts;
  const where = (test) => [...Array(n_samples).keys()].filter((i) => test(i));
  if (classes) {
    const n = classes.length; // up to ten, plotly's own colours
    const marker = (k) => (n > 10 ? { color: `hsl(${(360 * k) / n} 60% 55%)` } : {});
    return classes.map((name, k) => trace(where((i) => labels[i] === k), marker(k), name));
  }
  if (!labels) return [trace(where(() => true), { color: colour("--accent") })];
  const known = where((i) => labels[i] !== null);
  const color = known.map((i) => labels[i]);
  return [
    trace(where((i) => labels[i] === null), { color: colour("--soft") }),
    trace(known, { color, colorscale: "Viridis", showscale: true }),
  ];
}

/** Letters on what is chosen, and the way around it in the order of the pad. */
function marks() {
  const at = state.chosen.map((i) => row(places, i));
  const around = at.length === 4 ? [at[0], at[1], at[3], at[2]] : at;
  const path = around.map(([x, y], k) => `${k ? "L" : "M"}${x},${y}`).join("") + "Z";
  const line = { color: colour("--ink"), width: 1, dash: "dot" };
  return {
    shapes: at.length < 2 ? [] : [{ type: "path", path, line }],
    annotations: at.map(([x, y], k) => ({
      x, y, text: LETTERS[k], showarrow: false, borderpad: 2,
      font: { size: 13, color: colour("--page") }, bgcolor: colour("--ink"),
    })),
  };
}

function drawMap() {
  const axis = (text) => ({
    title: { text, standoff: 8 }, automargin: true, zeroline: false,
    gridcolor: colour("--line"), showticklabels: text !== NO_AXIS,
  });
  const layout = {
    xaxis: axis(facts.axes[0]), yaxis: axis(facts.axes[1] || NO_AXIS),
    margin: { l: 8, r: 8, t: 12, b: 8 },
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", itemsizing: "constant" },
    font: { color: colour("--ink"), family: "system-ui, sans-serif" },
    paper_bgcolor: "transparent", plot_bgcolor: "transparent",
    hovermode: "closest", dragmode: "pan", uirevision: "constant", ...marks(),
  };
  const options = { displayModeBar: false, scrollZoom: true, responsive: true };
  return Plotly.react($("map"), traces(), layout, options);
}

/** Mark the blend by a separate element, since plotly would redraw all points. */
function showCross() {
  const { xaxis, yaxis } = $("map")._fullLayout;
  const [x, y] = mix(places, weights());
  const [left, top] = [xaxis.d2p(x), yaxis.d2p(y)];
  const isSeen = left >= 0 && left <= xaxis._length && top >= 0 && top <= yaxis._length;
  $("cross").hidden = state.chosen.length < 2 || !isSeen;
  $("cross").style.left = `${xaxis._offset + left}px`;
  $("cross").style.top = `${yaxis._offset + top}px`;
}

function describe(i) {
  const { classes, labels, names } = facts;
  if (!labels) return `sample ${names[i]}`;
  const amount = (label) => (label === null ? "unknown" : Number(label.toPrecision(4)));
  return `sample ${names[i]}, label ${classes ? classes[labels[i]] : amount(labels[i])}`;
}

async function showCard(i, { clientX, clientY }) {
  const card = $("card");
  card.dataset.index = i;
  $("card-text").textContent = describe(i);
  draw($("card-sample"), row(samples, i));
  const heads = ["sample", "reconstruction"];
  fillTable($("card-values"), heads, [row(samples, i)]);
  card.hidden = false;
  const { width, height } = card.getBoundingClientRect();
  const isBeyond = clientX + 16 + width > document.documentElement.clientWidth;
  const left = isBeyond ? clientX - 16 - width : clientX + 16;
  const top = Math.min(clientY - height / 2, innerHeight - height - 4);
  card.style.left = `${Math.max(4, left)}px`;
  card.style.top = `${Math.max(4, top)}px`;
  const reconstruction = await decode(row(codes, i));
  // The pointer may have gone on while the decoder ran.
  if (card.dataset.index !== String(i)) return;
  draw($("card-reconstruction"), reconstruction);
  fillTable($("card-values"), heads, [row(samples, i), reconstruction]);
}

function listenToMap() {
  const index = (event) => event.points[0].customdata;
  $("map").on("plotly_hover", (event) => showCard(index(event), event.event));
  const hideCard = () => ($("card").hidden = true);
  $("map").on("plotly_unhover", hideCard);
  document.addEventListener("pointerdown", hideCard, true); // fingers never leave a point
  $("map").on("plotly_click", (event) => {
    toggle(index(event));
    showCard(index(event), event.event); // a finger does not hover
  });
  $("map").on("plotly_relayouting", showCross); // while the map is moved
  $("map").on("plotly_afterplot", showCross);
}
