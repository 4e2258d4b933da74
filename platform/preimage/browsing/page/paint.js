// Paint cells of the mask where the pointer is dragged. Arguments: mask (source), brush (slider), mode (0 hides,
// 1 shows again), columns, rows; cb_obj is the event, in the image's pixels, y up.
const cells = mask.data.image[0];
const radius = brush.value / 2;
const value = mode.active === 0 ? 1 : 0;
const from = cb_obj.event_name === "pan" && mask.last ? mask.last : [cb_obj.x, cb_obj.y];
const to = [cb_obj.x, cb_obj.y];
const steps = Math.max(1, Math.ceil(2 * Math.hypot(to[0] - from[0], to[1] - from[1])));
for (let step = 0; step <= steps; step++) {
  const x = from[0] + (to[0] - from[0]) * step / steps;
  const y = from[1] + (to[1] - from[1]) * step / steps;
  for (let row = Math.max(0, Math.floor(y - radius)); row <= Math.min(rows - 1, Math.floor(y + radius)); row++)
    for (let column = Math.max(0, Math.floor(x - radius)); column <= Math.min(columns - 1, Math.floor(x + radius)); column++)
      if (Math.hypot(column + 0.5 - x, row + 0.5 - y) <= Math.max(radius, 0.71)) cells[row * columns + column] = value;
}
mask.last = to;
mask.change.emit();
if (cb_obj.event_name === "panend" || cb_obj.event_name === "tap") {
  let text = "";
  for (const each of cells) text += each ? "1" : "0";
  window.preimageAsk(`mask:${text}`);
}
