// How a sample is drawn on a canvas: as an image, or as a curve for each channel.

/** Where a value lies between the lowest and the highest, of its feature or of all. */
function share(value, j, limits = facts) {
  const low = limits.low[j % limits.low.length];
  const span = limits.high[j % limits.high.length] - low;
  return span > 0 ? (value - low) / span : 0.5;
}

/** Draw samples that are compared: pairs of a canvas and values. */
function drawTogether(...pairs) {
  const limits = facts.kind === "signal" ? limitsOf(pairs) : facts;
  for (const [canvas, values] of pairs) {
    if (facts.kind === "image") drawImage(canvas, values);
    else drawCurves(canvas, values, limits);
  }
}

/** The range of signals that are seen together: those of others may be far larger. */
function limitsOf(pairs) {
  let [low, high] = [Infinity, -Infinity];
  for (const [, values] of pairs) {
    for (const value of values) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return { low: [low], high: [high] };
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

function drawCurves(canvas, values, limits) {
  const size = canvas.closest(".large") ? 240 : 96; // near what is seen: lines stay lines
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
      const y = size - inside(share(values[j], j, limits));
      context.lineTo(x, y);
      const dot = length <= 16 ? size / 30 : 0; // where values are few, each is marked
      context.fillRect(x - dot / 2, y - dot / 2, dot, dot);
    }
    context.stroke();
  }
}
