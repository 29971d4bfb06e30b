// How a sample is drawn on a canvas: as an image, or as a curve for each channel.

/** Where a value lies between the lowest and the highest, of its feature or of all. */
function share(value, j) {
  const low = facts.low[j % facts.low.length];
  const span = facts.high[j % facts.high.length] - low;
  return span > 0 ? (value - low) / span : 0.5;
}

function draw(canvas, values) {
  if (facts.kind === "image") drawImage(canvas, values);
  else drawCurves(canvas, values);
}

const MOST_COLUMNS = 15; // in a table of values

/** Show the values of named columns; of many those that differ most, by their ranges. */
function fillTable(table, heads, rows) {
  if (!facts.columns) return;
  const cell = (tag, text) => {
    const element = document.createElement(tag);
    element.textContent = text;
    return element;
  };
  const line = (...cells) => {
    const element = document.createElement("tr");
    element.append(...cells);
    return element;
  };
  const gap = (j) => Math.abs(share(rows[0][j], j) - share(rows.at(-1)[j], j));
  const all = facts.columns.map((_, j) => j);
  const apart = [...all].sort((i, j) => gap(j) - gap(i)).slice(0, MOST_COLUMNS);
  const shown = all.length > MOST_COLUMNS ? apart : all;
  const number = (value) => String(Number(value.toPrecision(4)));
  table.replaceChildren(
    line(cell("th", ""), ...heads.map((head) => cell("th", head))),
    ...shown.map((j) => line(
      cell("th", facts.columns[j]),
      ...heads.map((_, k) => cell("td", k < rows.length ? number(rows[k][j]) : "")),
    )),
  );
}

function drawImage(canvas, values) {
  const [n_channels, height, width] = facts.shape;
  const n_pixels = width * height;
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const [pixel, plane] = facts.channels_last ? [n_channels, 1] : [1, n_pixels];
  const all = [...Array(n_channels).keys()];
  const isColoured = n_channels === 3 || n_channels === 4;
  const seen = isColoured ? [[0], [1], [2]] : [all, all, all]; // as red, green and blue
  for (let i = 0; i < n_pixels; i++) {
    seen.forEach((channels, k) => {
      let sum = 0;
      for (const channel of channels) {
        const j = i * pixel + channel * plane;
        sum += share(values[j], j);
      }
      image.data[4 * i + k] = (255 * sum) / channels.length;
    });
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

function drawCurves(canvas, values) {
  const size = canvas.closest("#pair") ? 240 : 96; // near what is seen: lines stay lines
  Object.assign(canvas, { width: size, height: size });
  const context = canvas.getContext("2d");
  const [n_channels, length] = facts.shape;
  const inside = (part) => size * (0.06 + 0.88 * part);
  for (let channel = 0; channel < n_channels; channel++) {
    const hue = 212 + (360 * channel) / n_channels;
    context.strokeStyle = context.fillStyle = `hsl(${hue} 70% 50%)`;
    context.lineWidth = size / 72;
    context.beginPath();
    for (let i = 0; i < length; i++) {
      const j = channel * length + i;
      const x = inside(length > 1 ? i / (length - 1) : 0.5);
      const y = size - inside(share(values[j], j));
      context.lineTo(x, y);
      const dot = length <= 16 ? size / 30 : 0; // where values are few, each is marked
      context.fillRect(x - dot / 2, y - dot / 2, dot, dot);
    }
    context.stroke();
  }
}
