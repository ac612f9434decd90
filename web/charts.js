/* What report.js draws with: elements, tables, bars in SVG, and lines by uPlot where it was put into the page. */
"use strict";

/* ---- elements ---- */

/** An element; attributes by name; children are nodes or text. Nothing is ever parsed as HTML. */
function h(name, attributes, ...children) {
  const node = document.createElement(name);
  fill(node, attributes, children);
  return node;
}

function svg(name, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  fill(node, attributes, children);
  return node;
}

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined));
}

/** A colour from a result file, or grey when it is not plainly one. */
function colourOf(stack) {
  return /^#[0-9a-f]{6}$/i.test(stack.colour || "") ? stack.colour : "#777777";
}

function dot(stack) {
  return h("span", { class: "dot", style: `background:${colourOf(stack)}`, "aria-hidden": "true" });
}

/* ---- numbers ---- */

/** About three digits; as many decimals as `like` has. */
function show(value, like = value) {
  if (value === null || value === undefined || !isFinite(value)) return "–";
  const size = Math.abs(like);
  return value.toFixed(size >= 100 || Number.isInteger(like) ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : size >= 0.01 ? 3 : 5);
}

function times(ratio) {
  return ratio.toFixed(ratio >= 10 ? 1 : ratio >= 1 ? 2 : 3) + "×";
}

function bytes(n) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let i = 0;
  while (n >= 999.5 && i < units.length - 1) {
    n /= 1000;
    i++;
  }
  return `${Number(n.toPrecision(3))} ${units[i]}`;
}

function count(n) {
  return n >= 1e6 ? `${Number((n / 1e6).toPrecision(3))} M` : n >= 1e3 ? `${Number((n / 1e3).toPrecision(3))} k` : `${n}`;
}

/* ---- tables ---- */

/** A table in a region that scrolls by itself. head: texts; rows: arrays of texts or nodes, the first a header;
 * text: which columns are text (left). */
function table(caption, head, rows, { text = [], wrap = [], rowClass = () => null } = {}) {
  const kind = (i) => (wrap.includes(i) ? "wrap" : text.includes(i) ? "text" : null);
  const body = rows.map((row, r) =>
    h(
      "tr",
      { class: rowClass(r) },
      row.map((cell, i) => (i === 0 ? h("th", { scope: "row" }, cell) : h("td", { class: kind(i) }, cell))),
    ),
  );
  return h(
    "div",
    { class: "table", role: "region", tabindex: "0", "aria-label": caption },
    h(
      "table",
      {},
      h("caption", {}, h("span", {}, caption)),
      h("thead", {}, h("tr", {}, head.map((t, i) => h("th", { scope: "col", class: kind(i) && "text" }, t)))),
      h("tbody", {}, body),
    ),
  );
}

function folded(title, ...children) {
  return h("details", {}, h("summary", {}, title), children);
}

/* ---- bars ---- */

/** Where an axis up to `max` has its marks. */
function marks(max) {
  const step0 = 10 ** Math.floor(Math.log10(max / 4 || 1));
  const step = [1, 2, 5, 10].map((m) => m * step0).find((s) => max / s <= 5) || step0 * 10;
  const out = [];
  for (let v = 0; v <= max * 1.0001; v += step) out.push(Number(v.toPrecision(6)));
  return out;
}

/* How parts of a bar are told apart, without colour too: strength and stripes. */
const SOLID = { opacity: 1, stripes: null };
const STRIPED = { opacity: 0.75, stripes: "M-2 10L10 -2M-2 2L2 -2M6 10L10 6" };
const MIDDLE = { opacity: 0.55, stripes: null };
const FAINT = { opacity: 0.28, stripes: null };
const FAINT_STRIPED = { opacity: 0.4, stripes: "M-2 -2L10 10M-2 6L2 10M6 -2L10 2" };
let patternNumber = 0;

/** The pattern that lies over a part: parts are told apart without colour too. */
function stripes(style) {
  const id = `stripes${patternNumber++}`;
  const pattern = svg("pattern", { id, width: 8, height: 8, patternUnits: "userSpaceOnUse" }, [
    svg("path", { d: style.stripes, class: "stripes", "stroke-width": 2.5 }),
  ]);
  return { pattern, fill: `url(#${id})` };
}

function swatch(style, colour, box) {
  const out = [svg("rect", { ...box, class: "part", fill: colour, "fill-opacity": style.opacity })];
  if (style.stripes) {
    const over = stripes(style);
    out.push(svg("defs", {}, over.pattern), svg("rect", { ...box, fill: over.fill }));
  }
  return out;
}

function legend(parts) {
  const item = (part) =>
    h("li", {}, svg("svg", { viewBox: "0 0 30 16", "aria-hidden": "true" }, swatch(part.style, "#777777", { width: 30, height: 16 })), part.name);
  return h("ul", { class: "legend" }, parts.map(item));
}

/** Horizontal bars of stacked parts on one scale. parts: {name, style}; rows: {name, colour, parts: [number],
 * whisker: [low, high], end: what stands behind it}. */
function bars(label, unit, parts, rows, width) {
  const rowHeight = 46, left = 4, right = 124, top = 4;
  const total = (r) => r.parts.reduce((a, b) => a + b, 0);
  const max = Math.max(...rows.map((r) => Math.max(total(r), r.whisker ? r.whisker[1] : 0))) || 1;
  const x = (v) => left + (v / max) * (width - left - right);
  const height = top + rows.length * rowHeight + 22;
  const grid = marks(max).flatMap((v) => [
    svg("line", { class: "grid", x1: x(v), x2: x(v), y1: top, y2: height - 20 }),
    svg("text", { class: "axis", x: x(v), y: height - 5, "text-anchor": v === 0 ? "start" : "middle" }, `${v}${v === 0 ? ` ${unit}` : ""}`),
  ]);
  const drawn = rows.flatMap((r, i) => {
    const y = top + i * rowHeight;
    let at = 0;
    const boxes = r.parts.flatMap((v, k) => {
      const box = { x: x(at), y: y + 19, width: Math.max(0, x(at + v) - x(at)), height: 18 };
      at += v;
      return v > 0 ? swatch(parts[k].style, r.colour, box) : [];
    });
    const whisker = r.whisker
      ? [svg("path", { d: `M${x(r.whisker[0])} ${y + 24}v8m0-4H${x(r.whisker[1])}m0-4v8`, fill: "none", stroke: "currentColor", "stroke-width": 1.5 })]
      : [];
    const end = Math.max(x(at), r.whisker ? x(r.whisker[1]) : 0);
    return [
      svg("text", { x: left, y: y + 13 }, r.name),
      ...boxes,
      ...whisker,
      svg("text", { x: end + 6, y: y + 33 }, r.end || `${show(at)} ${unit}`),
    ];
  });
  return h("figure", {}, svg("svg", { class: "bars", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }, grid, drawn), legend(parts));
}

/* ---- lines, by uPlot ---- */

const hasLines = typeof uPlot === "function";
const lineCharts = [];

function noLines() {
  return h("p", { class: "soft" }, "The curves need uPlot, which was not there when this page was made. scripts/setup in weir's source tree fetches it; then make the page again. The numbers are in the tables.");
}

/** A colour of the style sheet; all of them are written #rrggbb, so that "22" behind makes it faint. */
function ink(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** A chart in `box`, drawn again when the width or the colours change. make(width) returns [options, data]. */
function lines(box, label, make) {
  const entry = { box, make, plot: null, width: 0 };
  box.setAttribute("role", "img");
  box.setAttribute("aria-label", label);
  lineCharts.push(entry);
  return box;
}

function drawLines(force) {
  for (const c of lineCharts) {
    if (!c.box.isConnected) continue;
    const width = Math.floor(c.box.clientWidth);
    if (!width || (!force && width === c.width)) continue;
    if (c.plot) c.plot.destroy();
    const [options, data] = c.make(width);
    c.plot = new uPlot({ width, cursor: { show: false }, legend: { show: false }, ...options }, data, c.box);
    c.width = width;
  }
}

function forgetLines() {
  for (const c of lineCharts) if (c.plot) c.plot.destroy();
  lineCharts.length = 0;
}

function axis(extra) {
  return { stroke: ink("--soft"), grid: { stroke: ink("--line"), width: 1 }, ticks: { stroke: ink("--line"), width: 1, size: 4 }, font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif", labelSize: 16, size: 28, ...extra };
}

/** Of job times on a logarithmic scale, with marks of our own: uPlot looks for its own without end where a range begins
 * between two of them. */
function timeAxis(low, high) {
  const marks = [];
  for (let p = Math.floor(Math.log10(low)); p <= Math.ceil(Math.log10(high)); p++) for (const m of [1, 2, 5]) if (m * 10 ** p >= low && m * 10 ** p <= high) marks.push(m * 10 ** p);
  return axis({ label: "job time (s)", size: 56, splits: () => marks, values: (u, v) => v.map((t) => `${Number(t.toPrecision(3))}`), filter: (u, v) => v });
}

/** Names of lines with their dashes, so that colour is not all that tells them apart. */
function lineLegend(series) {
  const stroke = (s, i) => svg("line", { x1: 0, x2: 30, y1: 8, y2: 8, stroke: s.colour, "stroke-width": 3, "stroke-dasharray": DASHES[i % DASHES.length].join(" ") || null });
  return h("ul", { class: "legend" }, series.map((s, i) => h("li", {}, svg("svg", { viewBox: "0 0 30 16", "aria-hidden": "true" }, stroke(s, i)), s.name)));
}

const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3]];

/** Size, CPUs or memory against time, both axes logarithmic, with bands. lines: {name, colour, points: [{x, y,
 * low, high}]}. */
function scaling(box, label, xLabel, xFormat, series) {
  const xs = [...new Set(series.flatMap((s) => s.points.map((p) => p.x)))].sort((a, b) => a - b);
  const column = (s, key) => xs.map((v) => s.points.find((p) => p.x === v)?.[key] ?? null);
  const data = [xs, ...series.flatMap((s) => [column(s, "y"), column(s, "low"), column(s, "high")])];
  const values = data.slice(1).flat().filter((v) => v > 0);
  const yRange = [Math.min(...values) / 1.3, Math.max(...values) * 1.3];
  const xRange = [xs[0] / 1.15, xs[xs.length - 1] * 1.15];
  const sparse = (list) => list.filter((v, i) => i === 0 || v / list[0] >= 1.2);
  return lines(box, label, () => [
    {
      height: 300,
      scales: { x: { time: false, distr: 3, range: xRange }, y: { distr: 3, range: yRange } },
      axes: [
        axis({ label: xLabel, splits: () => sparse(xs), values: (u, v) => v.map(xFormat), filter: (u, v) => v }),
        timeAxis(...yRange),
      ],
      series: [
        {},
        ...series.flatMap((s, i) => [
          { label: s.name, stroke: s.colour, width: 2, dash: DASHES[i % DASHES.length], points: { show: true, size: 7, fill: s.colour, stroke: s.colour } },
          { stroke: "transparent", points: { show: false } },
          { stroke: "transparent", points: { show: false } },
        ]),
      ],
      bands: series.map((s, i) => ({ series: [3 * i + 3, 3 * i + 2], fill: `${s.colour}33` })),
    },
    data,
  ]);
}

/** A curve over the seconds of a run, phases shaded. */
function overTime(box, label, yLabel, t, y, colour, yMax, xMax, phases) {
  const shade = (u) => {
    const asked = phases?.create || 0; // of a container; a pull may be before it
    const edges = [phases?.start, phases?.ready, phases?.committed].filter((v) => typeof v === "number").map((v) => v - asked);
    const { left, top, width, height } = u.bbox;
    u.ctx.save();
    u.ctx.fillStyle = `${ink("--soft")}22`;
    const at = (v) => Math.min(left + width, Math.max(left, u.valToPos(v, "x", true)));
    if (edges.length > 1) u.ctx.fillRect(at(edges[0]), top, at(edges[1]) - at(edges[0]), height);
    u.ctx.strokeStyle = ink("--soft");
    u.ctx.setLineDash([3, 3]);
    for (const v of edges) {
      u.ctx.beginPath();
      u.ctx.moveTo(at(v), top);
      u.ctx.lineTo(at(v), top + height);
      u.ctx.stroke();
    }
    u.ctx.restore();
  };
  return lines(box, label, () => [
    {
      height: 170,
      scales: { x: { time: false, range: [0, xMax] }, y: { range: [0, yMax] } },
      axes: [axis({ label: "seconds since the request" }), axis({ label: yLabel, size: 54 })],
      series: [{}, { stroke: colour, width: 1.5, fill: `${colour}22`, points: { show: false } }],
      hooks: { drawClear: [shade] },
    },
    [t, y],
  ]);
}

/** Job times in the order of the runs, a mark for each: drift would show as a slope. */
function orderPlot(box, label, stacks) {
  const xs = [...new Set(stacks.flatMap((s) => s.points.map((p) => p[0])))].sort((a, b) => a - b);
  const data = [xs, ...stacks.map((s) => xs.map((x) => s.points.find((p) => p[0] === x)?.[1] ?? null))];
  const values = data.slice(1).flat().filter((v) => v !== null);
  const yRange = [Math.min(...values) / 1.5, Math.max(...values) * 1.5];
  return lines(box, label, () => [
    {
      height: 200,
      scales: { x: { time: false, range: [xs[0] - 1, xs[xs.length - 1] + 1] }, y: { distr: 3, range: yRange } },
      axes: [axis({ label: "order of the runs" }), timeAxis(...yRange)],
      series: [{}, ...stacks.map((s) => ({ label: s.name, stroke: s.colour, paths: () => null, points: { show: true, size: 6, fill: s.colour, stroke: s.colour } }))],
    },
    data,
  ]);
}
