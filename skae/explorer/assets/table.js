// The columns of a table: their values, from the rows that the decoder gives, and text.

const MOST_COLUMNS = 15; // in a table of values

/** Round as numpy does: halves to the even number. */
function rint(value) {
  const rounded = Math.round(value);
  return Math.abs(value % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

function clip(value, limits) {
  return limits ? Math.min(limits[1], Math.max(limits[0], value)) : value;
}

const UNDO = { // by kind: the value of a column from its part of a row
  float: (column, part) => clip(scaled(column, part), column.limits),
  integer: (column, part) => clip(rint(scaled(column, part)), column.limits),
  boolean: (column, part) => Number(clip(rint(scaled(column, part)), column.limits) > 0.5),
  category: (column, part) => {
    const { decoded, is_ordinal } = column;
    const last = decoded.length - 1;
    const k = is_ordinal ? clip(rint(part[0]), [0, last]) : part.indexOf(Math.max(...part));
    return decoded[k] < 0 ? NaN : decoded[k];
  },
  date: (column, part) => {
    const days = clip(scaled(column, part), column.limits);
    return column.first + rint(days * column.steps_in_day) * column.step;
  },
};

const scaled = (column, part) => part[0] * column.deviation + column.mean;

/** The values of all columns: categories by their index, dates in milliseconds. */
function undoColumns(values) {
  return Float64Array.from(facts.columns, (column) => {
    const part = Array.from(values.slice(column.start, column.stop));
    return part.some(Number.isNaN) ? NaN : UNDO[column.kind](column, part);
  });
}

const valuesOfSample = (i) => (cells ? row(cells, i) : undoColumns(sampleRow(i)));

const TEXT = {
  float: (value, column) => decimals(value, column),
  integer: (value, column) =>
    Number.isInteger(value) ? String(value) : decimals(value, column),
  boolean: (value) => (value ? "True" : "False"),
  category: (value, column) => column.categories[value],
  date: (value, column) => dateText(value, column),
};

function cellText(value, column) {
  return Number.isNaN(value) ? MISSING : TEXT[column.kind](value, column);
}

/** A number with as many decimals as tell apart a hundredth of the range. */
function decimals(value, { span }) {
  const n_decimals = span > 0 ? 3 - Math.ceil(Math.log10(span)) : 3;
  if (n_decimals > 12 || Math.abs(value) >= 1e15) return String(Number(value.toPrecision(4)));
  const text = value.toFixed(Math.max(0, n_decimals));
  return Number(text) === 0 ? text.replace("-", "") : text;
}

function dateText(milliseconds, { precision, is_utc }) {
  const date = new Date(milliseconds);
  if (Number.isNaN(date.getTime())) return String(milliseconds); // beyond JavaScript's
  const n_digits = { day: 10, minute: 16, second: 19, millisecond: 23 }[precision];
  const text = date.toISOString().replace("T", " ").replace("Z", "");
  return text.slice(0, n_digits + text.indexOf("-", 1) - 4) + (is_utc ? " UTC" : "");
}

/** How far two values of a column are apart, in its range. */
function gapBetween(column, one, other) {
  if (column.kind === "category") return Number(one !== other);
  return column.span > 0 ? Math.abs(one - other) / column.span : 0;
}

/** A frame in which a wide table scrolls sideways. */
function scroller(table) {
  const made = element("div", "", { className: "scroller" });
  made.append(table);
  return made;
}

/** Say at wide tables that they scroll, and let them scroll by the keys. */
function watchScrollers() {
  const see = (frame) => {
    const isCut = frame.scrollWidth > frame.clientWidth + 1;
    frame.classList.toggle("cut", isCut);
    if (isCut) frame.tabIndex = 0;
    else frame.removeAttribute("tabindex");
  };
  const observer = new ResizeObserver((entries) => {
    for (const { target } of entries) see(target.closest(".scroller"));
  });
  for (const frame of document.querySelectorAll(".scroller")) {
    observer.observe(frame);
    observer.observe(frame.firstElementChild);
  }
}

/** Show the values of columns; of many those that differ most, by their ranges. */
function fillTable(table, heads, rows) {
  if (!facts.columns) return;
  const line = (...parts) => {
    const made = element("tr");
    made.append(...parts);
    return made;
  };
  const gap = (j) => gapBetween(facts.columns[j], rows[0][j], rows.at(-1)[j]) || 0;
  const all = facts.columns.map((_, j) => j);
  const apart = [...all].sort((i, j) => gap(j) - gap(i)).slice(0, MOST_COLUMNS);
  const shown = all.length > MOST_COLUMNS ? apart : all;
  table.replaceChildren(
    line(element("th"), ...heads.map((head) => element("th", head))),
    ...shown.map((j) => line(
      element("th", facts.columns[j].name),
      ...heads.map((_, k) =>
        element("td", k < rows.length ? cellText(rows[k][j], facts.columns[j]) : "")),
    )),
  );
}
