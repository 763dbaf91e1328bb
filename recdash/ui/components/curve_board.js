// A grid of learning curves that share zoom, rule and tooltip. uPlot has axes, scales and dragging; the lines are drawn
// here, because each run has x values of its own and any mixture of gaps, bands and dashes. Data come from curve_data.js.

const boards = (globalThis.recdashBoards ??= new Map());
const RAW_OPACITY = 0.38; // of the raw line behind a smoothed one
const MANY = 14; // lines, above which the legend has several rows
const NEAR = 36; // pixels from a line within which it is hovered or picked
const SVG = "http://www.w3.org/2000/svg";

// ---------- messages ----------

const decodeArray = (text) => {
  const rest = text.slice(1);
  if (text[0] === "r") {
    const [first, count] = rest.split(",").map(Number);
    return Float64Array.from({ length: count }, (_, index) => first + index);
  }
  const bytes = Uint8Array.from(atob(rest), (letter) => letter.charCodeAt(0));
  return text[0] === "f" ? new Float32Array(bytes.buffer) : new Float64Array(bytes.buffer);
};

// Each part is decoded once per version; lines of "active" win over lines of "ended" while a run changes sides.
const decodePart = (message) => {
  const arrays = message.arrays.map(decodeArray);
  const pick = (index) => (index < 0 ? null : arrays[index]);
  const panels = new Map();
  for (const [key, rows] of Object.entries(message.series)) {
    panels.set(key, new Map(rows.map(([line, e, x, y, s, low, high, pauses]) => [message.lines[line].id,
      { e: pick(e), x: pick(x), y: pick(y), s: pick(s), low: pick(low), high: pick(high), pauses: pick(pauses) }])));
  }
  return { version: message.version, lines: message.lines, panels, plan: message.plan };
};

const readParts = (state) => {
  const { parts } = state.entry;
  let changed = false;
  for (const name of ["ended", "active"]) {
    const message = parts.get(name);
    if (!message || message.version === state.decoded[name]?.version) continue;
    state.decoded[name] = decodePart(message);
    changed = true;
  }
  if (!changed) return false;
  const lines = new Map();
  for (const name of ["ended", "active"]) for (const line of state.decoded[name]?.lines ?? []) lines.set(line.id, { ...line, part: name });
  state.lines = [...lines.values()].sort((a, b) => a.place - b.place);
  state.plan = state.decoded.active?.plan ?? null;
  state.live = state.lines.some((line) => line.active);
  return true;
};

const pointsOf = (state, panelKey, line) => state.decoded[line.part]?.panels.get(panelKey)?.get(line.id);

const linesOf = (state, panelKey) => state.lines.map((line) => [line, pointsOf(state, panelKey, line)]).filter(([, points]) => points?.x.length);

// ---------- numbers ----------

const power = (value) => value.toExponential(2).replace(/\.?0+e/, "e").replace("e+", "e");

// Number formats are kept: making one takes longer than all else of a label.
const formats = new Map();
const withDigits = (value, least, most) => {
  const key = 32 * least + most;
  if (!formats.has(key)) formats.set(key, new Intl.NumberFormat("en", { minimumFractionDigits: least, maximumFractionDigits: most }));
  return formats.get(key).format(value);
};

const formatValue = (value, decimals) => {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (size >= 1e6 || (size > 0 && size < 1e-4)) return power(value);
  if (decimals !== null) return value.toFixed(decimals);
  const digits = size === 0 ? 0 : Math.min(8, Math.max(0, 3 - Math.floor(Math.log10(size))));
  return withDigits(value, Math.min(digits, 4), digits);
};

const formatTick = (value, step) => {
  const size = Math.max(Math.abs(value), step);
  if (value !== 0 && (size >= 1e6 || step < 1e-5)) return Number(value.toPrecision(6)).toExponential().replace("e+", "e");
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return withDigits(value, Number.isInteger(step) ? 0 : digits, digits);
};

const formatSeconds = (value, step = 1) => {
  if (value === 0) return "0";
  if (Math.abs(value) < 120) return `${formatTick(value, Math.min(step, 1))} s`;
  const [hours, minutes, seconds] = [Math.floor(value / 3600), Math.floor((value % 3600) / 60), Math.round(value % 60)];
  if (hours) return `${hours} h${minutes || step < 3600 ? ` ${minutes} min` : ""}`;
  return seconds ? `${minutes} min ${seconds} s` : `${minutes} min`;
};

const formatClock = (value, step = 1) => {
  const date = new Date(value * 1000);
  if (step >= 86400) return date.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
  return date.toLocaleTimeString("en-GB", step >= 60 ? { hour: "2-digit", minute: "2-digit" } : {});
};

const X_AXES = {
  epoch: { title: "Epoch", format: formatTick, value: (value) => formatTick(value, 1), whole: true },
  update: { title: "Update", format: formatTick, value: (value) => formatTick(value, 1), whole: true },
  relative: { title: "Training time", format: formatSeconds, value: (value) => formatSeconds(value, value < 10 ? 0.1 : 1) },
  clock: { title: "Time", format: formatClock, value: (value) => formatClock(value) },
};
const DURATIONS = [1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 432000, 864000];

const niceStep = (size) => {
  const base = 10 ** Math.floor(Math.log10(size));
  return base * ([1, 2, 5, 10].find((factor) => factor * base >= size * 0.999999) ?? 10);
};

// The axis grows in steps, so that it does not move with every epoch.
const steppedEnd = (value) => {
  if (value <= 0) return 1;
  const base = 10 ** Math.floor(Math.log10(value));
  return base * ([1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].find((factor) => factor * base >= value * 0.999999) ?? 10);
};

const ticksBetween = (min, max, step) => {
  const ticks = [];
  for (let index = Math.ceil(min / step - 1e-9); index * step <= max + step * 1e-9; index++) ticks.push(Number((index * step).toPrecision(12)));
  return ticks;
};

// Ticks of a logarithmic axis: powers of ten and their multiples, or linear ones where it spans less than a decade.
const logTicks = (min, max, room) => {
  const decades = Math.log10(max / min);
  if (decades < 1) return ticksBetween(min, max, niceStep((max - min) / Math.max(2, room)));
  const factors = decades < 1.6 ? [1, 2, 3, 5] : decades < 4 ? [1, 3] : [1];
  const every = Math.max(1, Math.ceil(decades / Math.max(2, room)));
  const ticks = [];
  for (let at = Math.floor(Math.log10(min)); at <= Math.ceil(Math.log10(max)); at += every)
    for (const factor of factors) ticks.push(Number(`${factor}e${at}`));
  return ticks.filter((tick) => tick >= min * 0.999999 && tick <= max * 1.000001);
};

// ---------- ranges ----------

const isLogY = (state, panel) => panel.log && (panel.ownLog ?? state.options.log_y);
const isLogX = (state) => state.options.log_x && state.options.x !== "clock";

// The horizontal axis is that of all panels of a facet, so that the shared rule stands at the same place in each.
const xRange = (state, facet) => {
  if (state.zoom) return state.zoom;
  let [min, max, live] = [Infinity, -Infinity, false];
  for (const panel of facet.panels) {
    for (const [line, { x }] of linesOf(state, panel.key)) {
      const first = isLogX(state) ? x.find((value) => value > 0) ?? Infinity : x[0];
      min = Math.min(min, first);
      max = Math.max(max, x[x.length - 1]);
      live ||= line.active;
    }
  }
  if (max === -Infinity || min === Infinity) return isLogX(state) ? [1, 10] : [0, state.plan ?? 1];
  const { x } = state.options;
  if (live && x === "clock") max = min + steppedEnd(Math.max(1, max - min));
  else if (live) max = Math.min(steppedEnd(max), Math.max(max, state.plan ?? Infinity));
  if (x === "relative" && !isLogX(state)) min = 0;
  if (max - min < 1e-9 * Math.abs(max) || max <= min) {
    if (isLogX(state)) return [min / 1.5, min * 1.5];
    return X_AXES[x].whole ? [min - 1, max + 1] : [min - 0.5, max + 0.5];
  }
  return [min, max];
};

const yExtent = (state, panel, [from, to]) => {
  const log = isLogY(state, panel);
  let [low, high] = [Infinity, -Infinity];
  const take = (values, x) => {
    if (!values) return;
    for (let index = 0; index < values.length; index++) {
      const value = values[index];
      if (x[index] < from || x[index] > to || !Number.isFinite(value) || (log && value <= 0)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  };
  for (const [, points] of linesOf(state, panel.key)) for (const name of ["y", "low", "high"]) take(points[name], points.x);
  return [low, high];
};

const roomyRange = (low, high, log) => {
  if (log) {
    const step = Math.log10(high / low) > 3 ? 1 : 0.25;
    const [from, to] = [Math.floor(Math.log10(low) / step - 0.05) * step, Math.ceil(Math.log10(high) / step + 0.05) * step];
    return [10 ** from, 10 ** to];
  }
  const span = high - low || Math.abs(high) * 0.2 || 1;
  const step = niceStep(span / 20);
  const [min, max] = [Math.floor((low - span * 0.03) / step) * step, Math.ceil((high + span * 0.03) / step) * step];
  return [low >= 0 && min < 0 ? 0 : min, max];
};

const yRange = (state, panel, range) => {
  const same = state.options.shared_y ? state.panels.filter((other) => other.metric === panel.metric) : [panel];
  let [low, high] = [Infinity, -Infinity];
  for (const other of same) {
    const [from, to] = yExtent(state, other, state.zoom ?? other.facet.range ?? range);
    [low, high] = [Math.min(low, from), Math.max(high, to)];
  }
  const log = isLogY(state, panel);
  if (low > high) return log ? [1, 10] : [0, 1];
  const wanted = roomyRange(low, high, log);
  const [min, max] = panel.y ?? wanted;
  const size = (a, b) => (log ? Math.log10(b / a) : b - a);
  // Kept while everything fits and most of it is used.
  if (panel.yLog === log && low >= min && high <= max && size(min, max) <= 1.6 * size(...wanted)) return [min, max];
  panel.yLog = log;
  return wanted;
};

// ---------- drawing ----------

const readTheme = (state) => {
  const style = getComputedStyle(state.probe);
  state.theme = { text: style.color, background: style.backgroundColor, grid: style.borderTopColor, muted: style.outlineColor,
    rule: style.textDecorationColor, font: getComputedStyle(state.root).fontFamily };
};

const isPicked = (state, line) => line.runs.some((id) => state.picked.has(id));

// The other lines of a chart step back only where a picked one is drawn.
const emphasis = (state, line, somePicked) => {
  const picked = isPicked(state, line);
  if (state.near) return { alpha: line.id === state.near ? 1 : picked ? 0.8 : somePicked ? 0.25 : 0.6, strong: line.id === state.near || picked };
  return { alpha: !somePicked || picked ? 1 : 0.3, strong: picked };
};

const projections = (u, log, logX) => {
  const { left, top, width, height } = u.bbox;
  const project = (scale, isLog) => {
    const [min, max] = isLog ? [Math.log10(scale.min), Math.log10(scale.max)] : [scale.min, scale.max];
    return (value) => ((isLog ? Math.log10(value) : value) - min) / (max - min);
  };
  const [px, py] = [project(u.scales.x, logX), project(u.scales.y, log)];
  return { x: (value) => left + px(value) * width, y: (value) => top + (1 - py(value)) * height };
};

const isDrawn = (value, log) => Number.isFinite(value) && (!log || value > 0);

// Whether the run paused after a point: on the clock axis, a line over the pause would be an invention.
const pausesAfter = ({ x, pauses }, index) => pauses?.some((time) => time >= x[index] && time < x[index + 1]) ?? false;

// Adds a polyline with a break at every gap; points that stand alone become dots.
const trace = (ctx, points, values, at, log, logX, dots) => {
  const { x } = points;
  let open = false;
  for (let index = 0; index < x.length; index++) {
    if (!isDrawn(values[index], log) || (logX && x[index] <= 0)) { open = false; continue; }
    const [px, py] = [at.x(x[index]), at.y(values[index])];
    if (open) ctx.lineTo(px, py);
    else {
      ctx.moveTo(px, py);
      if (index === x.length - 1 || !isDrawn(values[index + 1], log) || pausesAfter(points, index)) dots.push([px, py]);
    }
    open = !pausesAfter(points, index);
  }
};

const drawLines = (state, panel, u) => {
  const { ctx } = u;
  const { left, top, width, height } = u.bbox;
  const [log, logX, ratio] = [isLogY(state, panel), isLogX(state), devicePixelRatio];
  const at = projections(u, log, logX);
  ctx.save();
  ctx.beginPath();
  ctx.rect(left - 4 * ratio, top - 6 * ratio, width + 8 * ratio, height + 12 * ratio);
  ctx.clip();
  ctx.lineJoin = "round";
  const found = linesOf(state, panel.key);
  panel.somePicked = found.some(([line]) => isPicked(state, line));
  const order = found.map(([line, points]) => [line, points, emphasis(state, line, panel.somePicked)]);
  order.sort((a, b) => a[2].alpha - b[2].alpha || a[2].strong - b[2].strong);
  const stroke = (points, values, lineWidth, alpha, dash) => {
    const dots = [];
    ctx.beginPath();
    trace(ctx, points, values, at, log, logX, dots);
    ctx.globalAlpha = alpha;
    ctx.lineWidth = lineWidth * ratio;
    ctx.setLineDash(dash.map((length) => length * ratio));
    ctx.stroke();
    ctx.setLineDash([]);
    for (const [x, y] of dots) { ctx.beginPath(); ctx.arc(x, y, 2.6 * ratio, 0, 2 * Math.PI); ctx.fill(); }
  };
  for (const [line, points, { alpha, strong }] of order) {
    ctx.strokeStyle = ctx.fillStyle = line.colour;
    if (points.low) drawBand(ctx, points, at, log, logX, alpha);
    if (points.s) stroke(points, points.y, 1.1, alpha * RAW_OPACITY, []);
    stroke(points, points.s ?? points.y, strong ? 2.9 : 1.8, alpha, line.dash);
    drawGaps(ctx, points, at, log, logX, top + height, alpha, ratio);
  }
  for (const [line, points, { alpha }] of order) drawBest(state, ctx, line, points, at, log, logX, alpha, ratio);
  ctx.restore();
};

const drawBand = (ctx, points, at, log, logX, alpha) => {
  const { x, low, high } = points;
  const inside = [...x.keys()].filter((index) => isDrawn(low[index], log) && isDrawn(high[index], log) && !(logX && x[index] <= 0));
  ctx.beginPath();
  for (const index of inside) ctx.lineTo(at.x(x[index]), at.y(high[index]));
  for (const index of inside.reverse()) ctx.lineTo(at.x(x[index]), at.y(low[index]));
  ctx.globalAlpha = 0.17 * alpha;
  ctx.fill();
};

// A small cross at the axis where a value is not finite, or has no place on a logarithmic axis.
const drawGaps = (ctx, points, at, log, logX, bottom, alpha, ratio) => {
  const size = 3.2 * ratio;
  ctx.beginPath();
  for (let index = 0; index < points.x.length; index++) {
    if (isDrawn(points.y[index], log) || (logX && points.x[index] <= 0)) continue;
    const [x, y] = [at.x(points.x[index]), bottom - size - ratio];
    ctx.moveTo(x - size, y - size); ctx.lineTo(x + size, y + size);
    ctx.moveTo(x - size, y + size); ctx.lineTo(x + size, y - size);
  }
  ctx.globalAlpha = alpha;
  ctx.lineWidth = 1.6 * ratio;
  ctx.stroke();
};

// The best epoch, on the raw value.
const drawBest = (state, ctx, line, points, at, log, logX, alpha, ratio) => {
  const index = line.best ? points.e.indexOf(line.best) : -1;
  if (index < 0 || !isDrawn(points.y[index], log) || (logX && points.x[index] <= 0)) return;
  const [x, y, size] = [at.x(points.x[index]), at.y(points.y[index]), 5.2 * ratio];
  ctx.globalAlpha = alpha;
  ctx.beginPath();
  ctx.moveTo(x, y - size); ctx.lineTo(x + size, y); ctx.lineTo(x, y + size); ctx.lineTo(x - size, y);
  ctx.closePath();
  ctx.fillStyle = line.colour;
  ctx.fill();
  ctx.strokeStyle = state.theme.background;
  ctx.lineWidth = 1.4 * ratio;
  ctx.stroke();
};

const drawOverlay = (state, panel) => {
  const { overlay, u } = panel;
  if (!u) return;
  const ctx = overlay.getContext("2d");
  const [width, height] = [Math.round(u.width * devicePixelRatio), Math.round(u.height * devicePixelRatio)];
  if (overlay.width !== width || overlay.height !== height) { overlay.width = width; overlay.height = height; }
  else ctx.clearRect(0, 0, width, height);
  const { hover } = state;
  if (!hover) return;
  const at = projections(u, isLogY(state, panel), isLogX(state));
  const { left, top, width: plotWidth, height: plotHeight } = u.bbox;
  const x = at.x(hover.x);
  if (!(x >= left - 1 && x <= left + plotWidth + 1)) return;
  ctx.strokeStyle = state.theme.rule;
  ctx.lineWidth = devicePixelRatio;
  ctx.globalAlpha = 0.75;
  ctx.beginPath();
  ctx.moveTo(x, top); ctx.lineTo(x, top + plotHeight);
  ctx.stroke();
  ctx.globalAlpha = 1;
  for (const row of rowsAt(state, panel, hover.x)) {
    const shown = row.smooth ?? row.raw;
    if (row.far || !isDrawn(shown, isLogY(state, panel))) continue;
    const isNear = row.line.id === state.near;
    ctx.beginPath();
    ctx.arc(at.x(row.x), at.y(shown), (isNear ? 4.6 : 2.6) * devicePixelRatio, 0, 2 * Math.PI);
    ctx.fillStyle = row.line.colour;
    ctx.fill();
    if (!isNear) continue;
    ctx.strokeStyle = state.theme.background;
    ctx.lineWidth = 1.4 * devicePixelRatio;
    ctx.stroke();
  }
};

// ---------- what is under the rule ----------

const nearestIndex = (x, value) => {
  let [low, high] = [0, x.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (x[middle] <= value) low = middle; else high = middle;
  }
  return Math.abs(x[high] - value) < Math.abs(x[low] - value) ? high : low;
};

// All lines of a panel at a place, highest first; those that have no point near it last, with their last value before.
const rowsAt = (state, panel, value) => {
  const rows = linesOf(state, panel.key).map(([line, points]) => {
    const index = nearestIndex(points.x, value);
    const gap = Math.max(...[index - 1, index + 1].filter((other) => other in points.x).map((other) => Math.abs(points.x[other] - points.x[index])), 1e-9);
    const far = Math.abs(points.x[index] - value) > 0.75 * gap && points.x.length > 1;
    return { line, far: far || (points.x.length === 1 && points.x[0] !== value), x: points.x[index], epoch: points.e[index], raw: points.y[index],
      smooth: points.s?.[index], low: points.low?.[index], high: points.high?.[index] };
  });
  const order = (row) => (Number.isFinite(row.raw) ? row.smooth ?? row.raw : -Infinity);
  return rows.sort((a, b) => a.far - b.far || order(b) - order(a));
};

const hoverAt = (state, panel, left, top) => {
  const { u } = panel;
  const value = u.posToVal(left, "x");
  let best = null;
  for (const row of rowsAt(state, panel, value)) {
    const shown = row.smooth ?? row.raw;
    if (!isDrawn(shown, isLogY(state, panel))) continue;
    const [dx, dy] = [u.valToPos(row.x, "x") - left, u.valToPos(shown, "y") - top];
    const distance = Math.hypot(row.far ? dx : dx * 0.2, dy);
    if (!best || distance < best.distance) best = { row, distance };
  }
  if (!best) return null;
  const rule = rowsAt(state, panel, value).find((row) => !row.far) ?? best.row;
  return { panel, x: best.row.far ? rule.x : best.row.x, near: best.distance <= NEAR ? best.row.line.id : null };
};

const setHover = (state, hover, near = hover?.near ?? null) => {
  const isNew = near !== state.near;
  state.hover = hover;
  state.near = near;
  if (isNew) { for (const panel of state.panels) panel.stale = true; markLegend(state); }
  state.stale.overlay = true;
  schedule(state);
};

const SMOOTHING = { exponential: "exponential average", gaussian: "centred Gaussian average", mean: "centred running mean" };

const smoothingText = (state) => `${SMOOTHING[state.options.smoothing]}, weight ${state.options.weight}`;

const isSmoothed = (state, panel) => panel.smooth && state.options.smoothing !== "none" && state.options.weight > 0;

const swatch = (line) => {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "swatch");
  svg.setAttribute("viewBox", "0 0 22 8");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", "M0 4h22");
  path.setAttribute("style", `stroke: ${line.colour}; stroke-width: 2.4; stroke-dasharray: ${line.dash.join(" ") || "none"}`);
  svg.append(path);
  return svg;
};

const describeRow = (panel, row, log) => {
  const value = (number) => formatValue(number, panel.decimals);
  if (row.low !== undefined) return `${value(row.raw)} (${value(row.low)} to ${value(row.high)})`;
  return log && row.raw <= 0 ? `${value(row.raw)} ×` : Number.isFinite(row.raw) ? value(row.raw) : `${value(row.raw)} ×`;
};

const drawTooltip = (state) => {
  const { tooltip, hover } = state;
  if (!hover || !hover.panel.u) { tooltip.hidden = true; return; }
  const { panel } = hover;
  const log = isLogY(state, panel);
  const rows = rowsAt(state, panel, hover.x);
  const axis = X_AXES[state.options.x];
  const smooth = isSmoothed(state, panel);
  const byEpoch = state.options.x === "epoch";
  const cells = rows.flatMap((row) => {
    const isStrong = row.line.id === state.near || isPicked(state, row.line);
    const kind = `${isStrong ? "near" : ""} ${row.far ? "far" : ""}`;
    const epoch = byEpoch && !row.far ? "" : `epoch ${row.epoch}`;
    const best = row.line.best === row.epoch ? "◆" : "";
    return [
      swatch(row.line), make("span", { class: `name ${kind}` }, row.line.name), make("span", { class: `number ${kind}` }, `${describeRow(panel, row, log)}`),
      make("span", { class: `number far ${kind}` }, smooth && row.smooth !== undefined ? `≈ ${formatValue(row.smooth, panel.decimals)}` : ""),
      make("span", { class: "number far" }, [best, epoch].filter(Boolean).join(" ")),
    ];
  });
  const gaps = rows.some((row) => !row.far && !isDrawn(row.raw, log));
  const notes = [smooth ? `≈ smoothed: ${smoothingText(state)}` : "", gaps ? `× not drawn: not finite${log ? ", or not above 0 on a logarithmic axis" : ""}` : "",
    rows.some((row) => row.low !== undefined) ? `mean over seeds (${state.options.bands === "range" ? "lowest to highest" : "± one standard deviation"})` : ""];
  tooltip.replaceChildren(
    make("div", { class: "head" }, `${panel.title} · ${axis.title.toLowerCase()} ${axis.value(hover.x)}`),
    make("div", { class: rows.length > 26 ? "rows many" : "rows" }, ...cells),
    ...notes.filter(Boolean).map((note) => make("div", { class: "note" }, note)),
  );
  tooltip.hidden = false;
  const box = panel.u.over.getBoundingClientRect();
  const x = box.left + panel.u.valToPos(hover.x, "x");
  const { width, height } = tooltip.getBoundingClientRect();
  const left = x + 18 + width < innerWidth ? x + 18 : Math.max(4, x - 18 - width);
  const top = Math.min(Math.max(4, box.top + 6), Math.max(4, innerHeight - height - 6));
  tooltip.style.translate = `${Math.round(left - state.origin.x)}px ${Math.round(top - state.origin.y)}px`;
};

// ---------- charts ----------

const axisSize = (state) => (u, values) => {
  if (!values?.length) return 44;
  u.ctx.font = `${12 * devicePixelRatio}px ${state.theme.font}`;
  const widest = Math.max(...values.map((value) => u.ctx.measureText(value ?? "").width)) / devicePixelRatio;
  return Math.max(48, Math.ceil(widest) + 14); // never narrower than the longest label
};

const createPlot = (state, panel) => {
  const { x } = state.options;
  const axis = X_AXES[x];
  const looks = { stroke: () => state.theme.muted, filter: (u, ticks) => ticks, font: `12px ${state.theme.font}`, grid: { stroke: () => state.theme.grid, width: 1 }, ticks: { show: false } };
  const xTicks = (u, _, min, max, step) => (isLogX(state) ? logTicks(min, max, u.width / 90).filter((tick) => !axis.whole || Number.isInteger(tick)) : ticksBetween(min, max, step));
  const yTicks = (u, _, min, max, step) => (isLogY(state, panel) ? logTicks(min, max, u.height / 40) : ticksBetween(min, max, step));
  const stepOf = (ticks, step) => (ticks.length > 1 ? Math.min(...ticks.slice(1).map((tick, index) => tick - ticks[index])) : step);
  const incrs = axis.whole ? (u, i, min, max) => DECADES.filter((step) => step >= 1) : x === "update" ? DECADES : DURATIONS;
  const options = {
    width: Math.max(120, panel.plot.clientWidth), height: panel.height, legend: { show: false }, padding: [10, x === "epoch" ? 14 : 28, 0, 0],
    scales: {
      x: { time: false, distr: isLogX(state) ? 3 : 1, range: () => panel.facet.range },
      y: { distr: isLogY(state, panel) ? 3 : 1, range: () => panel.y },
    },
    axes: [
      { ...looks, label: axis.title, labelFont: `12px ${state.theme.font}`, labelSize: 16, size: 22, gap: 4, labelGap: 0, space: x === "clock" || x === "relative" ? 90 : 60, incrs, splits: xTicks,
        values: (u, ticks, _, __, step) => ticks.map((tick) => axis.format(tick, stepOf(ticks, step))) },
      { ...looks, size: axisSize(state), gap: 6, space: 38, incrs: DECADES, splits: yTicks,
        values: (u, ticks, _, __, step) => ticks.map((tick) => (isLogY(state, panel) ? formatTick(tick, Math.min(tick, stepOf(ticks, step))) : formatTick(tick, step))) },
    ],
    series: [{}, { paths: () => null, points: { show: false } }],
    cursor: {
      x: false, y: false, points: { show: false }, drag: { x: true, y: false, setScale: false, dist: 5 },
      bind: { dblclick: () => () => zoomTo(state, null) },
    },
    hooks: {
      draw: [(u) => drawLines(state, panel, u)],
      setCursor: [(u) => onCursor(state, panel, u)],
      setSelect: [(u) => onSelect(state, panel, u)],
    },
  };
  panel.u = new uPlot(options, [[0, 1], [null, null]], panel.plot);
  panel.u.over.addEventListener("click", (event) => onClick(state, panel, event));
  panel.plot.append(panel.overlay, panel.empty);
};

const DECADES = Array.from({ length: 34 * 3 }, (_, index) => Number(`${[1, 2, 5][index % 3]}e${Math.floor(index / 3) - 16}`));

const onCursor = (state, panel, u) => {
  const { left, top, event } = u.cursor;
  if (left < 0 || left === undefined) {
    if (state.hover?.panel === panel && !state.hover.byKey) setHover(state, null);
    return;
  }
  if (event) setHover(state, hoverAt(state, panel, left, top));
};

const onSelect = (state, panel, u) => {
  const { left, width } = u.select;
  if (width < 5) return;
  let [min, max] = [u.posToVal(left, "x"), u.posToVal(left + width, "x")];
  u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  state.dragged = performance.now();
  if (X_AXES[state.options.x].whole && max - min < 1) [min, max] = [Math.floor(min), Math.floor(min) + 1];
  zoomTo(state, [min, max]);
};

const onClick = (state, panel, event) => {
  if (performance.now() - (state.dragged ?? -1e9) < 80 || event.pointerType === "touch") return;
  const box = panel.u.over.getBoundingClientRect();
  const hover = hoverAt(state, panel, event.clientX - box.left, event.clientY - box.top);
  const line = hover?.near && state.lines.find((other) => other.id === hover.near);
  if (line) pick(state, line);
};

const pick = (state, line) => {
  const picked = isPicked(state, line);
  for (const id of line.runs) if (picked) state.picked.delete(id); else state.picked.add(id);
  sendAction(state.component, "pick", { id: line.id, runs: line.runs, picked: !picked });
  refresh(state);
};

const zoomTo = (state, zoom) => {
  state.zoom = zoom;
  for (const panel of state.panels) panel.y = null;
  state.reset.classList.toggle("off", zoom === null);
  state.reset.tabIndex = zoom === null ? -1 : 0;
  refresh(state);
};

const refresh = (state) => {
  for (const panel of state.panels) panel.stale = true;
  state.stale.overlay = true;
  markLegend(state);
  schedule(state);
};

const schedule = (state) => {
  if (state.frame) return;
  state.frame = requestAnimationFrame(() => { state.frame = 0; draw(state); });
};

// Everything that changed since the last frame, drawn at once.
const draw = (state) => {
  if (readLayout(state) | readParts(state)) {
    for (const panel of state.panels) panel.stale = true;
    state.stale.overlay = true;
    drawLegend(state);
  }
  readFile(state);
  for (const facet of state.facets) facet.range = xRange(state, facet);
  for (const panel of state.panels) {
    if (!panel.stale || !panel.visible) continue;
    panel.stale = false;
    drawPanel(state, panel);
  }
  if (!state.stale.overlay) return;
  state.stale.overlay = false;
  for (const panel of state.panels) drawOverlay(state, panel);
  drawTooltip(state);
};

const drawPanel = (state, panel) => {
  const found = linesOf(state, panel.key);
  panel.y = yRange(state, panel, panel.facet.range);
  const kind = JSON.stringify([state.options.x, isLogX(state), isLogY(state, panel), panel.decimals, state.theme]);
  if (panel.u && panel.kind !== kind) { panel.u.destroy(); panel.u = null; }
  panel.kind = kind;
  if (!panel.u) createPlot(state, panel);
  else panel.u.redraw(true, true);
  const known = state.decoded.ended || state.decoded.active;
  panel.empty.textContent = found.length || !known ? "" : state.live ? "Waiting for the first epoch" : state.options.x === "clock" ? "No values with a clock time" : "No values recorded";
  const about = [panel.unit, isSmoothed(state, panel) && smoothingText(state)].filter(Boolean).join(" · ");
  if (panel.about.textContent !== about) panel.about.textContent = about;
  const last = found.map(([line, points]) => `${line.name} ${formatValue(points.y[points.y.length - 1], panel.decimals)}`);
  const unit = panel.unit ? `, ${panel.unit}` : "";
  const label = `${panel.title}${unit}, by ${X_AXES[state.options.x].title.toLowerCase()}. ${found.length ? `Last values: ${last.join("; ")}.` : panel.empty.textContent}`;
  if (panel.plot.getAttribute("aria-label") !== label) panel.plot.setAttribute("aria-label", label);
};

// ---------- legend, menus, keyboard ----------

const drawLegend = (state) => {
  const kind = JSON.stringify(state.lines.map((line) => [line.id, line.name, line.colour, line.dash, line.note]));
  if (kind === state.legendKind) return;
  state.legendKind = kind;
  state.legend.parentElement.classList.toggle("many", state.lines.length > MANY);
  state.legend.replaceChildren(...state.lines.map((line) => make("li", {}, make("button", {
    type: "button", "data-line": line.id, title: line.note ? `${line.name}: ${line.note}` : line.name, onclick: () => pick(state, line),
    onpointerenter: () => setHover(state, state.hover, line.id), onpointerleave: () => setHover(state, null),
    onfocus: () => setHover(state, state.hover, line.id), onblur: () => setHover(state, null),
  }, swatch(line), line.name, line.note ? "⚠" : ""))));
  markLegend(state);
};

const markLegend = (state) => {
  for (const button of state.legend.querySelectorAll("button")) {
    const line = state.lines.find((other) => other.id === button.dataset.line);
    button.setAttribute("aria-pressed", String(Boolean(line && isPicked(state, line))));
    button.classList.toggle("near", button.dataset.line === state.near);
  }
};

const closeMenu = (state, refocus = false) => {
  const panel = state.open;
  if (!panel) return;
  state.open = null;
  panel.menu.remove();
  panel.more.setAttribute("aria-expanded", "false");
  if (refocus) panel.more.focus({ preventScroll: true });
};

const openMenu = (state, panel) => {
  const wasOpen = state.open === panel;
  closeMenu(state);
  if (wasOpen) return;
  const item = (text, action, attributes = {}) => make("button", { type: "button", role: "menuitem", tabindex: "-1", ...attributes,
    onclick: () => { closeMenu(state, true); action(); } }, text);
  const request = (format) => sendAction(state.component, "export", { panel: panel.key, format });
  const isWide = panel.figure.classList.contains("wide");
  panel.menu = make("div", { class: "menu", role: "menu", "aria-label": `Options of ${panel.title}` },
    item(isWide ? "Back to the grid" : "Expand to full width", () => expand(state, panel, !isWide)),
    panel.log ? item("Logarithmic Y axis", () => { panel.ownLog = !isLogY(state, panel); refresh(state); }, { role: "menuitemcheckbox", "aria-checked": String(isLogY(state, panel)) }) : "",
    item("Download PNG", () => savePicture(state, panel)), item("Download PNG for print", () => request("png")), item("Download SVG", () => request("svg")),
    item("Download CSV", () => request("csv")));
  const move = (step) => {
    const items = [...panel.menu.children];
    const at = items.indexOf(state.root.getRootNode().activeElement);
    items[(at + step + items.length) % items.length].focus();
  };
  panel.menu.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) move(step);
    else if (event.key === "Escape" || event.key === "Tab") closeMenu(state, true);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  panel.figure.append(panel.menu);
  panel.more.setAttribute("aria-expanded", "true");
  state.open = panel;
  panel.menu.firstChild.focus({ preventScroll: true });
};

const expand = (state, panel, wide) => {
  panel.figure.classList.toggle("wide", wide);
  panel.height = Math.round(state.options.height * (wide ? 1.7 : 1));
  panel.plot.style.height = `${panel.height}px`;
  fit(state, panel);
};

const fit = (state, panel) => {
  const width = panel.plot.clientWidth;
  if (!panel.u || !width || (panel.u.width === width && panel.u.height === panel.height)) return;
  panel.u.setSize({ width, height: panel.height });
  state.stale.overlay = true;
  schedule(state);
};

const save = (name, url) => {
  const link = make("a", { href: url, download: name });
  link.click();
};

// The chart as it is on the screen, with title and legend.
const savePicture = (state, panel) => {
  const source = panel.u.ctx.canvas;
  const [ratio, lines] = [devicePixelRatio, linesOf(state, panel.key).map(([line]) => line)];
  const [head, row, pad] = [34 * ratio, 18 * ratio, 12 * ratio];
  const canvas = document.createElement("canvas");
  canvas.width = source.width + 2 * pad;
  canvas.height = source.height + head + row * lines.length + 2 * pad;
  const ctx = canvas.getContext("2d");
  ctx.fillStyle = state.theme.background;
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  ctx.drawImage(source, pad, head);
  ctx.fillStyle = state.theme.text;
  ctx.font = `600 ${15 * ratio}px ${state.theme.font}`;
  ctx.fillText([panel.title, panel.unit && `(${panel.unit})`, isSmoothed(state, panel) && `– ${smoothingText(state)}`].filter(Boolean).join(" "), pad, 24 * ratio);
  ctx.font = `${12 * ratio}px ${state.theme.font}`;
  lines.forEach((line, index) => {
    const y = head + source.height + pad + (index + 0.5) * row;
    ctx.strokeStyle = line.colour;
    ctx.lineWidth = 2.2 * ratio;
    ctx.setLineDash(line.dash.map((length) => length * ratio));
    ctx.beginPath(); ctx.moveTo(pad, y); ctx.lineTo(pad + 26 * ratio, y); ctx.stroke();
    ctx.fillText(line.name, pad + 34 * ratio, y + 4 * ratio);
  });
  canvas.toBlob((blob) => {
    const url = URL.createObjectURL(blob);
    save(`${panel.metric.replace(/[^a-z0-9@]+/gi, "-")}.png`, url);
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  });
};

// A file that the server made on request; each is saved once.
const readFile = (state) => {
  const file = state.entry.parts.get("file");
  if (!file || file.number === state.entry.saved) return;
  state.entry.saved = file.number;
  save(file.name, `data:${file.type};base64,${file.content}`);
};

const onKey = (state, panel, event) => {
  const rows = state.hover?.panel === panel ? rowsAt(state, panel, state.hover.x).filter((row) => !row.far) : [];
  const longest = linesOf(state, panel.key).map(([, points]) => points.x).sort((a, b) => b.length - a.length)[0];
  if (event.key === "Escape") {
    if (state.zoom) zoomTo(state, null);
    else if (state.hover) setHover(state, null);
    else return;
  } else if (!longest) return;
  else if (["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) {
    const [from, to] = panel.facet.range;
    const inside = [...longest.keys()].filter((index) => longest[index] >= from && longest[index] <= to);
    const first = inside[0] ?? 0, end = inside[inside.length - 1] ?? longest.length - 1;
    const now = state.hover?.panel === panel ? nearestIndex(longest, state.hover.x) : end + 1;
    const step = event.shiftKey ? 10 : 1;
    const next = { ArrowLeft: now - step, ArrowRight: now + step, Home: first, End: end }[event.key];
    setHover(state, { panel, x: longest[Math.min(end, Math.max(first, next))], byKey: true }, state.near);
    announce(state, panel);
  } else if ((event.key === "ArrowUp" || event.key === "ArrowDown") && rows.length) {
    const at = rows.findIndex((row) => row.line.id === state.near);
    const next = rows[(at + (event.key === "ArrowDown" ? 1 : -1) + rows.length) % rows.length];
    setHover(state, state.hover, next.line.id);
    state.announcement.textContent = `${next.line.name} ${describeRow(panel, next, isLogY(state, panel))}`;
  } else if (event.key === "Enter" && state.near) {
    const line = state.lines.find((other) => other.id === state.near);
    if (line) pick(state, line);
  } else return;
  event.preventDefault();
  event.stopPropagation();
};

const announce = (state, panel) => {
  const rows = rowsAt(state, panel, state.hover.x).filter((row) => !row.far);
  const axis = X_AXES[state.options.x];
  const texts = rows.map((row) => `${row.line.name} ${describeRow(panel, row, isLogY(state, panel))}${row.line.best === row.epoch ? ", best epoch" : ""}`);
  state.announcement.textContent = `${panel.title}, ${axis.title.toLowerCase()} ${axis.value(state.hover.x)}: ${texts.join("; ")}`;
};

// ---------- building ----------

const makePanel = (state, facet, description) => {
  const panel = { ...description, facet, stale: true, visible: true, u: null, y: null, height: state.options.height };
  panel.overlay = make("canvas", { class: "overlay", "aria-hidden": "true" });
  panel.empty = make("div", { class: "empty" });
  panel.about = make("span", { class: "unit" }, panel.unit);
  panel.plot = make("div", { class: "plot", tabindex: "0", role: "img", "aria-label": panel.title, style: `height: ${panel.height}px`,
    "data-panel": panel.key, onkeydown: (event) => onKey(state, panel, event), onblur: () => { if (state.hover?.byKey) setHover(state, null); } });
  panel.more = make("button", { type: "button", class: "more", "aria-label": `Options of ${panel.title}`, title: "Options", "aria-haspopup": "menu", "aria-expanded": "false",
    onclick: () => openMenu(state, panel) }, dots());
  panel.figure = make("figure", {}, make("figcaption", {}, make("strong", { title: panel.meaning || null }, panel.title), panel.about, panel.more), panel.plot);
  state.sizes.observe(panel.plot);
  state.views.observe(panel.plot);
  state.byPlot.set(panel.plot, panel);
  return panel;
};

const dots = () => {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", "M5 10a2 2 0 100 4 2 2 0 000-4zm7 0a2 2 0 100 4 2 2 0 000-4zm7 0a2 2 0 100 4 2 2 0 000-4z");
  svg.append(path);
  return svg;
};

// Charts are built again only when the list of charts is another one.
const readLayout = (state) => {
  const message = state.entry.parts.get("layout");
  if (!message || message === state.layout) return false;
  const [shape, options] = [JSON.stringify(message.facets), JSON.stringify(message.options)];
  const pinned = JSON.stringify(message.pinned);
  state.layout = message;
  if (pinned !== state.pinned) { state.pinned = pinned; state.picked = new Set(message.pinned); }
  else if (shape === state.shape && options === state.optionsText) return false;
  const before = state.options;
  state.options = message.options;
  state.optionsText = options;
  if (before && before.x !== message.options.x) zoomTo(state, null);
  for (const panel of state.panels) panel.y = null;
  if (shape === state.shape && before?.height === message.options.height) {
    state.grids.forEach((grid) => grid.style.setProperty("--columns", message.options.columns));
    return true;
  }
  state.shape = shape;
  for (const panel of state.panels) panel.u?.destroy();
  state.sizes.disconnect();
  state.views.disconnect();
  state.hover = null;
  state.facets = message.facets.map((facet) => ({ title: facet.title, range: [0, 1] }));
  state.facets.forEach((facet, index) => { facet.panels = message.facets[index].panels.map((panel) => makePanel(state, facet, panel)); });
  state.panels = state.facets.flatMap((facet) => facet.panels);
  state.grids = state.facets.map((facet) => make("div", { class: "grid", style: `--columns: ${message.options.columns}` }, ...facet.panels.map((panel) => panel.figure)));
  const isNamed = state.facets.length > 1;
  state.body.replaceChildren(...state.facets.flatMap((facet, index) => [isNamed && facet.title ? make("h3", {}, facet.title) : "", state.grids[index]]).filter(Boolean));
  return true;
};

const build = (component) => {
  const root = component.parentElement.querySelector(".root");
  const key = component.data.board;
  if (!boards.has(key)) boards.set(key, { parts: new Map(), changed: null });
  const state = { component, root, entry: boards.get(key), decoded: {}, lines: [], facets: [], panels: [], grids: [], picked: new Set(), zoom: null, hover: null, near: null,
    live: false, plan: null, stale: { overlay: false }, frame: 0, byPlot: new Map(), open: null, layout: null, origin: { x: 0, y: 0 } };
  state.probe = make("span", { class: "probe", "aria-hidden": "true" });
  state.legend = make("ul", { class: "legend", "aria-label": "Runs" });
  state.reset = make("button", { type: "button", class: "reset off", tabindex: "-1", onclick: () => zoomTo(state, null) }, "Reset zoom");
  state.body = make("div", { class: "body" });
  state.tooltip = make("div", { class: "tooltip", hidden: true, "aria-hidden": "true" });
  state.announcement = make("p", { class: "sr-only", "aria-live": "polite" });
  root.replaceChildren(state.probe, make("div", { class: "bar" }, state.legend, state.reset), state.body, state.tooltip, state.announcement);
  readTheme(state);
  state.probe.addEventListener("transitionend", () => { readTheme(state); refresh(state); });
  state.sizes = new ResizeObserver((entries) => { for (const entry of entries) fit(state, state.byPlot.get(entry.target)); });
  state.views = new IntersectionObserver((entries) => {
    for (const entry of entries) state.byPlot.get(entry.target).visible = entry.isIntersecting;
    schedule(state);
  }, { rootMargin: "800px" });
  state.onpointer = (event) => { if (state.open && !event.composedPath().some((node) => node === state.open.menu || node === state.open.more)) closeMenu(state); };
  document.addEventListener("pointerdown", state.onpointer);
  state.entry.changed = () => schedule(state);
  state.entry.state = state;
  schedule(state);
  return state;
};

const states = new WeakMap();

export default function (component) {
  const root = component.parentElement;
  if (!states.has(root)) states.set(root, build(component));
  const state = states.get(root);
  state.component = component;
  return () => {
    cancelAnimationFrame(state.frame);
    document.removeEventListener("pointerdown", state.onpointer);
    state.sizes.disconnect();
    state.views.disconnect();
    for (const panel of state.panels) panel.u?.destroy();
    if (state.entry.state === state) Object.assign(state.entry, { changed: null, state: null });
    states.delete(root);
  };
}
