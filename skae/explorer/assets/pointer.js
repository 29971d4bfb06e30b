// What pointers do on the map: hover, click, move and enlarge.

const REACH = { mouse: 9, touch: 16, pen: 12 }; // pixels around a point
const STILL = 5; // pixels that a click may move
const pointers = new Map(); // those that are down, by their id
let travelled = 0; // pixels since the first of them went down

function pixelOf({ clientX, clientY }) {
  const { left, top } = $("map-frame").getBoundingClientRect();
  return [clientX - left, clientY - top];
}

const centreOf = (points) => [0, 1].map((k) =>
  points.reduce((sum, point) => sum + point[k], 0) / points.length);

const spreadOf = ([one, other]) =>
  other ? Math.max(20, Math.hypot(one[0] - other[0], one[1] - other[1])) : 1;

function listenToMap() {
  const frame = $("map-frame");
  frame.onpointerdown = (event) => {
    if (event.target.closest("button")) return;
    if (pointers.size === 0) travelled = 0;
    pointers.set(event.pointerId, pixelOf(event));
    frame.setPointerCapture(event.pointerId);
  };
  frame.onpointermove = (event) => {
    if (!pointers.has(event.pointerId)) hover(event);
    else drag(event);
  };
  frame.onpointerup = (event) => {
    const isAlone = pointers.size === 1;
    if (pointers.delete(event.pointerId) && isAlone && travelled <= STILL) click(event);
  };
  frame.onpointercancel = (event) => pointers.delete(event.pointerId);
  frame.onpointerleave = (event) => {
    if (event.pointerType === "mouse") hoverOver(null); // fingers leave when they lift
  };
  frame.addEventListener("wheel", (event) => {
    event.preventDefault();
    moveView(0, 0, Math.exp(-0.0015 * event.deltaY), pixelOf(event));
  }, { passive: false });
  const middle = () => [size.width / 2, size.height / 2];
  $("closer").onclick = () => moveView(0, 0, 1.5, middle());
  $("farther").onclick = () => moveView(0, 0, 1 / 1.5, middle());
  $("fit").onclick = () => {
    fitView();
    drawMap();
  };
  document.addEventListener("pointerdown", () => hoverOver(null), true);
  new ResizeObserver(scheduleMap).observe(frame);
}

function drag(event) {
  const before = [...pointers.values()];
  pointers.set(event.pointerId, pixelOf(event));
  const after = [...pointers.values()];
  const [from, to] = [centreOf(before), centreOf(after)];
  const moved = [to[0] - from[0], to[1] - from[1]];
  travelled += Math.hypot(...moved) + Math.abs(spreadOf(after) - spreadOf(before));
  if (travelled > STILL) moveView(...moved, spreadOf(after) / spreadOf(before), from);
}

function hover(event) {
  if (event.pointerType !== "mouse" || event.target.closest("#cross, button")) return;
  const i = isInside(pixelOf(event)) ? findPoint(pixelOf(event), REACH.mouse) : null;
  hoverOver(i, event);
}

function hoverOver(i, event) {
  const isNew = i !== state.hovered;
  state.hovered = i;
  if (isNew) drawMarks();
  if (i === null) $("card").hidden = true;
  else if (isNew) showCard(i, event);
  else placeCard(event);
  $("map-frame").style.cursor = i === null ? "crosshair" : "pointer";
}

function click(event) {
  const at = pixelOf(event);
  if (!isInside(at) || !rowsOfSamples) return;
  const i = findPoint(at, REACH[event.pointerType] ?? REACH.mouse);
  if (i === null) moveCross(toPlane(at));
  else {
    toggle(i);
    inspect(i);
    hoverOver(i, event); // a finger does not hover
  }
}
