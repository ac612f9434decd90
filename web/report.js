/* The page: sections drawn from the summary that weir wrote into it. Nothing is computed here that decides
 * anything: medians, intervals and verdicts come from there. */

const D = JSON.parse(document.getElementById("data").textContent);
const METRIC = Object.fromEntries(D.metrics.map((m) => [m.key, m]));
const SECTIONS = [
  ["answer", "The answer", answer],
  ["time", "Where the time goes", whereTimeGoes],
  ["needs", "What it needs", needs],
  ["behaviour", "How it behaves", behaviour],
  ["scale", "How it scales", scale],
  ["cost", "What it costs", cost],
  ["trust", "Can you trust it?", trust],
];
/* To begin with: a case with a verdict, the largest, on the usual footing. */
const weight = (c) => [c.verdicts.job_s.outcome !== "none", c.rows, c.strict === true, c.cache === "warm", c.cpus];
const heavier = (a, b) => {
  const x = weight(D.cases[a]), y = weight(D.cases[b]), i = x.findIndex((v, k) => v !== y[k]);
  return i >= 0 && y[i] > x[i] ? b : a;
};
const state = { index: D.cases.length ? D.cases.map((_, i) => i).reduce(heavier) : 0, deployment: true, prices: D.prices };

/* ---- reading the summary ---- */

const names = (list) => (list.length < 3 ? list.join(" and ") : `${list.slice(0, -1).join(", ")} and ${list[list.length - 1]}`);
const star = (s) => s.stack + (s.ours ? "*" : "");
const cellOf = (s, key) => s.metrics[key];
const median = (s, key) => (cellOf(s, key).n ? cellOf(s, key).median * METRIC[key].scale : null);
const fileOf = (c) => D.files[c.file];
const fileName = (f) => f.path.split("/").pop();
const runOf = (c) => fileOf(c).runs[c.run] || {};
const timed = (c) => c.stacks.filter((s) => cellOf(s, "job_s").n);

function range(cell, scale) {
  return cell.interval ? [cell.interval.low * scale, cell.interval.high * scale] : null;
}

/** "10.8 [10.6, 11.0]" as nodes; "–" without values. */
function valueNodes(s, key) {
  const cell = cellOf(s, key), scale = METRIC[key].scale;
  if (!cell.n) return ["–"];
  const m = cell.median * scale, r = range(cell, scale);
  return [show(m), h("span", { class: "range" }, r ? `[${show(r[0], m)}, ${show(r[1], m)}]` : `n=${cell.n}`)];
}

/** A case's name, with what tells it from others: machine, file; of cases that only kernel or version parts, which it is. */
function caseTitle(c) {
  const several = D.files.length > 1, machines = new Set(D.cases.map((o) => o.machine)).size > 1;
  const title = (o) => [o.case, ...(several || machines ? [o.machine] : []), ...(several ? [fileName(fileOf(o))] : [])].join(" · ");
  const alike = D.cases.filter((o) => title(o) === title(c));
  return alike.length > 1 ? `${title(c)} · ${alike.indexOf(c) + 1} of ${alike.length}, ${c.first_date}` : title(c);
}

/** The same case but for one attribute. */
function sibling(c, change) {
  const want = { file: c.file, machine: c.machine, data: c.data, format: c.format, strict: c.strict, cache: c.cache, cpus: c.cpus, memory_bytes: c.memory_bytes, ...change };
  return D.cases.findIndex((o) => Object.entries(want).every(([k, v]) => o[k] === v));
}

function scopeLine(c) {
  return h("p", { class: "scope" }, c.scope);
}

/** A section's heading: the finding, under its topic. */
function heading(id, topic, finding) {
  return h("h2", { id: `${id}-title`, tabindex: "-1" }, h("span", { class: "eyebrow" }, topic), finding);
}

/* ---- 1 The answer ---- */

function seal(name, s) {
  const mark = { holds: "✓", broken: "✗", unknown: "?" }[s.state];
  const word = { holds: "yes", broken: "no", unknown: "not known" }[s.state];
  return h("details", { class: `seal ${s.state}` }, h("summary", {}, h("span", { class: "mark", "aria-hidden": "true" }, `${mark} `), `${name}: ${word}`), h("p", {}, s.why), h("p", {}, h("a", { href: "#trust" }, "The evidence")));
}

function seals(c) {
  return h("div", { class: "seals" }, seal("Results equal", c.seals.results_equal), seal("A against A is a tie", c.seals.a_against_a), seal("Budgets were the same", c.seals.budgets));
}

function winnerText(v) {
  return v.outcome === "winner" ? v.winner : v.outcome === "tie" ? (v.why ? `tie: ${v.why}` : "tie") : "–";
}

function comparisonTable(c) {
  const rows = D.metrics.filter((m) => m.in_table).map((m) => [m.label, ...c.stacks.map((s) => valueNodes(s, m.key)), winnerText(c.verdicts[m.key])]);
  const last = c.stacks.length + 1;
  return table(`${c.case}: medians with 95 % intervals`, ["Metric", ...c.stacks.map((s) => h("span", {}, dot(s), star(s))), "Winner (independent stacks)"], rows, {
    text: [last],
    rowClass: (r) => (D.metrics[r].key === "job_s" ? "headline" : null),
  });
}

/** Reasons behind the dashes, those that are the same together. */
function dashes(c) {
  const reasons = new Map(), shown = D.metrics.filter((x) => x.in_table);
  const add = (key, what) => reasons.set(key, [...(reasons.get(key) || []), what]);
  for (const m of shown) {
    const label = m.label.replace(/ \(.*/, ""), missing = c.stacks.filter((s) => !cellOf(s, m.key).n);
    for (const why of new Set(missing.map((s) => cellOf(s, m.key).unavailable))) {
      const of = missing.filter((s) => cellOf(s, m.key).unavailable === why).map((s) => s.stack);
      add(JSON.stringify([of.length < c.stacks.length ? ` of ${names(of)}` : "", why]), label);
    }
  }
  for (const m of shown) if (c.verdicts[m.key].outcome === "none") add(JSON.stringify([":", c.verdicts[m.key].why]), m.label.replace(/ \(.*/, ""));
  const line = ([key, labels]) => {
    const [of, why] = JSON.parse(key);
    return h("li", {}, of === ":" ? `${names(labels)}: no winner (${why}).` : `${names(labels)}${of}: ${why}.`);
  };
  return h("ul", { class: "plain soft" }, [...reasons].map(line));
}

function whenToUse(c) {
  const judged = D.metrics.filter((m) => m.judged);
  const won = (s) => judged.filter((m) => c.verdicts[m.key].outcome === "winner" && c.verdicts[m.key].winner === s.stack).map((m) => m.noun);
  const decided = judged.some((m) => c.verdicts[m.key].outcome !== "none");
  const none = h("li", {}, "No advice among the independent stacks: no metric of this case has a verdict.");
  const items = !decided ? none : c.stacks
    .filter((s) => !s.ours)
    .map((s) => {
      const w = won(s);
      return h("li", {}, h("strong", {}, s.stack), w.length ? `: where ${names(w)} ${w.length > 1 ? "decide" : "decides"}, for work like this.` : ": it wins nothing that was measured here. What it can do beyond this work (a cluster, an ecosystem, your team's knowledge) was not measured.");
    });
  const ours = c.stacks.filter((s) => s.ours);
  const own = ours.map((s) => h("li", {}, h("strong", {}, star(s)), " is made by weir's authors, who also made this benchmark; it stands beside the others and wins nothing. Do not choose it where data outgrows one machine, where you need more than this one pipeline, or before you have repeated this with your own files."));
  return [h("h3", {}, "When to use which"), h("ul", { class: "plain" }, items, own)];
}

function answer(c) {
  const said = c.sentences, wins = said.find((x) => / wins /.test(x.text));
  const finding = wins ? wins.text.replace(/\.$/, "") : `No independent stack wins anything here; job time ${c.verdicts.job_s.outcome === "tie" ? "is a tie" : `has no verdict (${c.verdicts.job_s.why})`}`;
  return [
    heading("answer", "The answer", finding),
    h("ul", { class: "plain" }, said.map((x) => h("li", {}, x.text))),
    said.length ? folded("The samples behind these sentences", h("ol", { class: "plain" }, said.map((x) => h("li", {}, `${x.text} From samples ${x.samples}.`)))) : null,
    seals(c),
    comparisonTable(c),
    c.stacks.some((s) => s.ours) ? h("p", { class: "soft" }, "* made by weir's authors") : null,
    c.stacks.filter((s) => s.note).map((s) => h("p", { class: "soft" }, `${star(s)}: ${s.note}.`)),
    dashes(c),
    h("p", { class: "soft" }, `A winner is named only among independent stacks, from ${D.verdict_needs} samples on, where the interval of the ratio excludes 1 and A against A was a tie. Peak memory is anonymous and shared memory, page cache apart.`),
    whenToUse(c),
  ];
}

/* ---- 2 Where the time goes ---- */

const PHASES = [
  { name: "image pull", style: FAINT },
  { name: "container start", style: FAINT_STRIPED },
  { name: "initialisation", style: STRIPED },
  { name: "execution, to the commit", style: SOLID },
  { name: "ending", style: MIDDLE },
];
const MEMORY_PARTS = [
  { name: "anonymous", style: SOLID },
  { name: "shared", style: STRIPED },
  { name: "page cache", style: FAINT },
];

function phases(s, deployment) {
  const v = (key) => median(s, key) || 0;
  const before = v("image_pull_s") + v("container_start_s");
  const ending = Math.max(0, v("total_s") - v("job_s") - v("container_start_s"));
  return [deployment ? v("image_pull_s") : 0, deployment ? v("container_start_s") : 0, v("init_s"), v("execution_s"), deployment ? Math.max(0, ending - (before && v("image_pull_s"))) : 0];
}

function toggles(c, redraw) {
  const other = sibling(c, { cache: c.cache === "warm" ? "cold" : "warm" });
  const cache =
    other >= 0
      ? h("label", {}, h("input", { type: "checkbox", checked: c.cache === "cold", onchange: () => redraw(other) }), "page cache cold")
      : h("span", { class: "soft" }, `page cache ${c.cache || "as it was"}; the other was not measured`);
  const box = h("input", { type: "checkbox", id: "deployment", checked: state.deployment, onchange: (e) => { state.deployment = e.target.checked; draw("deployment"); } });
  return h("div", { class: "controls" }, cache, h("label", {}, box, "with deployment (pull, start, ending)"));
}

/** Functions by their own CPU time, of extra runs under a profiler. */
function profiles(c) {
  return c.stacks.map((s) => {
    const p = fileOf(c).profiles.filter((x) => x.stack === s.stack && x.case === c.case).pop();
    if (!p) return null;
    if (!p.functions.length) return h("p", { class: "soft" }, `No profile of ${star(s)}: ${p.error}.`);
    const title = `CPU profile of ${star(s)}: functions by their own time`;
    return folded(title, table(`${p.samples} samples by ${p.profiler} in one extra run, whose times count nowhere (${p.file})`, ["Function", "% of samples"], p.functions.map((f) => [f.function, show(f.percent, 10.5)])));
  });
}

/** Images: what was measured, and what other links would make of it, which is modelled. */
function images(c) {
  if (!c.images?.length) return null;
  const links = c.images.find((i) => i.pulled)?.pulled.modelled || [];
  const heads = ["Stack", "on disk", "compressed", "download", "extraction", ...links.map((l) => `pull at ${l.bits_per_s >= 1e9 ? `${l.bits_per_s / 1e9} Gbit/s` : `${l.bits_per_s / 1e6} Mbit/s`}, modelled`)];
  const rows = c.images.map((i) => {
    const p = i.pulled, s = c.stacks.find((x) => x.stack === i.stack);
    const seconds = (v) => (p ? `${show(v)} s` : "–");
    return [star(s), bytes(i.disk_bytes), p ? bytes(p.bytes) : "–", seconds(p?.download_s), seconds(p?.extract_s), ...links.map((_, k) => seconds(p?.modelled[k].pull_s))];
  });
  return folded("Images", table("Sizes and pulls, medians. Modelled: compressed bytes / link + measured extraction, as if nothing overlapped", heads, rows));
}

function whereTimeGoes(c) {
  const all = timed(c);
  if (!all.length) return [heading("time", "Where the time goes", "No run of this case has a time")];
  const share = (s) => Math.round((100 * (median(s, "init_s") || 0)) / median(s, "job_s"));
  const key = state.deployment ? "total_s" : "job_s";
  const rows = all.map((s) => ({ name: star(s), colour: colourOf(s), parts: phases(s, state.deployment), whisker: range(cellOf(s, key), 1) }));
  const phaseRows = all.map((s) => [star(s), ...phases(s, true).map((v, i) => ((i < 2 && !cellOf(s, i ? "container_start_s" : "image_pull_s").n) ? "–" : show(v))), valueNodes(s, "total_s"), valueNodes(s, "flush_s")]);
  return [
    heading("time", "Where the time goes", `Initialisation takes ${names(all.map((s) => `${share(s)} % of ${star(s)}'s`))} job time`),
    scopeLine(c),
    toggles(c, choose),
    h("div", { id: "time-bars" }, bars(`${state.deployment ? "Total" : "Job"} time by phase: ${all.map((s) => `${s.stack} ${show(median(s, key))} s`).join(", ")}`, "s", PHASES, rows, barWidth())),
    h("p", { class: "soft" }, `Bars are medians of each phase, so their sum can differ a little from the median of all; whiskers are the 95 % interval of the ${state.deployment ? "total" : "job"} time.`),
    profiles(c),
    images(c),
    folded("The numbers", table("Seconds by phase, medians", ["Stack", ...PHASES.map((p) => p.name), "total", "flush after it"], phaseRows)),
  ];
}

/* ---- 3 What it needs ---- */

const typicalOf = (c, s) => c.samples.find((x) => x.id === s.typical_sample && x.stack === s.stack);

/** Memory at the moment when a typical run had the most of it. */
function memoryMoment(c, s) {
  const sample = typicalOf(c, s), r = sample?.series;
  if (!r?.anon?.length) return null;
  const used = r.anon.map((a, i) => a + (r.shared?.[i] || 0));
  const i = used.indexOf(Math.max(...used));
  const processes = Object.entries(r.by_process || {}).map(([name, p]) => [name, p.rss?.[i] || 0]).filter((p) => p[1] > 0).sort((a, b) => b[1] - a[1]);
  return { sample, at: r.t_s?.[i], anon: r.anon[i], shared: r.shared?.[i] || 0, cache: r.cache?.[i] || 0, processes };
}

function minimumText(c, s) {
  const found = fileOf(c).minimums.filter((m) => m.stack === s.stack && m.case === c.case).pop();
  if (!found) return "not searched";
  return typeof found.memory_bytes === "number" ? bytes(found.memory_bytes) : "none that was tried";
}

function needs(c) {
  const all = timed(c);
  const known = all.filter((s) => cellOf(s, "peak_anon_bytes").n);
  if (!known.length) return [heading("needs", "What it needs", "Memory was not measured in this case")];
  const moments = all.map((s) => [s, memoryMoment(c, s)]).filter((m) => m[1]);
  const rows = moments.map(([s, m]) => ({ name: star(s), colour: colourOf(s), parts: [m.anon / 1e6, m.shared / 1e6, m.cache / 1e6], end: `${show((m.anon + m.shared) / 1e6, 100)} + ${show(m.cache / 1e6, 100)} MB` }));
  const process = ([s, m]) => h("li", {}, `${star(s)}: `, m.processes.length ? m.processes.map(([n, b]) => `${n} ${bytes(b)}`).join(", ") : "one process", ` (sample ${m.sample.id}, ${show(m.at ?? 0)} s after the request)`);
  const resources = D.metrics.filter((m) => !["image_pull_s", "container_start_s", "init_s", "execution_s", "job_s", "total_s"].includes(m.key));
  return [
    heading("needs", "What it needs", `Peak memory is ${names(known.map((s) => `${bytes(median(s, "peak_anon_bytes") * 1e6)} for ${star(s)}`))}`),
    scopeLine(c),
    rows.length ? [bars(`Memory of a typical run at its peak: ${rows.map((r) => `${r.name} ${show(r.parts[0] + r.parts[1])} MB`).join(", ")}`, "MB", MEMORY_PARTS, rows, barWidth()),
    h("p", { class: "soft" }, "One typical run of each stack (the one nearest to the median job time), at the moment when it held the most (anonymous and shared + page cache); resident memory of its processes then:"),
    h("ul", { class: "plain" }, moments.map(process))] : h("p", { class: "soft" }, "No curve over time was recorded, so the parts of the peak are not known."),
    table("Resources: medians with 95 % intervals", ["Metric", ...c.stacks.map((s) => h("span", {}, dot(s), star(s)))], [
      ...resources.map((m) => [m.label, ...c.stacks.map((s) => valueNodes(s, m.key))]),
      ["Minimum memory found", ...c.stacks.map((s) => minimumText(c, s))],
    ]),
  ];
}

/* ---- 4 How it behaves ---- */

function curveTable(s, sample) {
  const r = sample.series, step = Math.max(1, Math.floor(r.t_s.length / 12));
  const rows = r.t_s.map((t, i) => [show(t, 10.5), show((r.anon[i] + (r.shared?.[i] || 0)) / 1e6, 100), r.cpu_percent ? show(r.cpu_percent[i], 100) : "–"]).filter((_, i) => i % step === 0);
  return folded(`The numbers of ${s.stack}`, table(`${s.stack}, sample ${sample.id}: every ${step === 1 ? "" : `${step}th `}point`, ["Seconds", "Memory (MB)", "CPU (%)"], rows));
}

function behaviour(c) {
  const shown = timed(c).map((s) => [s, typicalOf(c, s)]).filter(([, x]) => x?.series?.t_s?.length > 1);
  if (!shown.length) return [heading("behaviour", "How it behaves", "No curve over time was recorded in this case")];
  const memory = (x) => x.series.anon.map((a, i) => (a + (x.series.shared?.[i] || 0)) / 1e6);
  const xMax = Math.max(...shown.map(([, x]) => x.series.t_s[x.series.t_s.length - 1]));
  const yMax = 1.05 * Math.max(...shown.flatMap(([, x]) => memory(x)));
  const cpuMax = 1.05 * Math.max(100, ...shown.flatMap(([, x]) => x.series.cpu_percent || []));
  const peak = (x) => x.series.t_s[memory(x).indexOf(Math.max(...memory(x)))];
  const part = (x) => Math.round((100 * peak(x)) / x.series.t_s[x.series.t_s.length - 1]);
  const small = (what, label, max, values) => shown.map(([s, x]) => {
    const text = `${star(s)}: ${what} over time, sample ${x.id}`;
    return h("figure", {}, h("figcaption", {}, dot(s), text), overTime(h("div", { class: "chart" }), text, label, x.series.t_s, values(x), colourOf(s), max, xMax, x.phases));
  });
  return [
    heading("behaviour", "How it behaves", `Memory peaks after ${names(shown.map(([s, x]) => `${part(x)} % of ${star(s)}'s`))} run`),
    scopeLine(c),
    h("p", { class: "soft" }, "A typical run of each stack, all on the same axes. Shaded: initialisation; dotted: start, ready, committed."),
    hasLines
      ? [h("div", { class: "multiples" }, small("memory", "MB", yMax, memory)), h("div", { class: "multiples" }, small("CPU", "% of one core", cpuMax, (x) => x.series.cpu_percent || x.series.t_s.map(() => null)))]
      : noLines(),
    shown.map(([s, x]) => curveTable(s, x)),
  ];
}

/* ---- 5 How it scales ---- */

const AXES = [
  ["rows", "rows", (v) => count(v), ["data", "bytes"]],
  ["cpus", "CPUs", (v) => `${v}`, []],
  ["memory_bytes", "memory limit", (v) => bytes(v), []],
];

/** The cases that differ from c in one attribute only, by it. */
function ladder(c, key, also) {
  const fixed = ["file", "machine", "data", "format", "strict", "cache", "cpus", "memory_bytes", "rows", "bytes"].filter((k) => k !== key && !also.includes(k));
  const same = D.cases.filter((o) => o[key] > 0 && fixed.every((k) => o[k] === c[k]) && timed(o).length);
  return [...new Map(same.map((o) => [o[key], o])).values()].sort((a, b) => a[key] - b[key]);
}

/** Where two stacks change places, as a range between two measured points with verdicts on both sides. */
function crossovers(steps, key, format) {
  const verdict = (c, a, b) => {
    const p = c.verdicts.job_s.pairs.find((x) => (x.a === a && x.b === b) || (x.a === b && x.b === a));
    if (!p || (p.verdict !== "less" && p.verdict !== "more")) return 0;
    return (p.verdict === "less" ? -1 : 1) * (p.a === a ? 1 : -1);
  };
  const out = [], all = [...new Set(steps.flatMap((c) => c.stacks.map((s) => s.stack)))];
  for (let i = 0; i < all.length; i++)
    for (let k = i + 1; k < all.length; k++) {
      let last = null;
      for (const c of steps) {
        const now = verdict(c, all[i], all[k]);
        if (now && last && now !== last.now) out.push(`${now < 0 ? all[k] : all[i]} is the faster of the two from somewhere between ${format(last.c[key])} and ${format(c[key])} on, ${now < 0 ? all[i] : all[k]} below.`);
        if (now) last = { now, c };
      }
    }
  return out;
}

function ladderSection(c, [key, label, format, also]) {
  const steps = ladder(c, key, also);
  if (steps.length < 2) return { label, figure: null };
  const stacks = [...new Map(steps.flatMap((o) => timed(o)).map((s) => [s.stack, s])).values()];
  const series = stacks.map((s) => ({
    name: star(s),
    colour: colourOf(s),
    points: steps.flatMap((o) => {
      const cell = o.stacks.find((x) => x.stack === s.stack)?.metrics.job_s;
      return cell?.n ? [{ x: o[key], y: cell.median, low: cell.interval?.low ?? null, high: cell.interval?.high ?? null }] : [];
    }),
  }));
  const text = `Job time by ${label}, ${steps.length} measured points, both axes logarithmic`;
  const first = steps[0], last = steps[steps.length - 1];
  const growth = series.filter((s) => s.points.length > 1).map((s) => `${s.name} ${times(s.points[s.points.length - 1].y / s.points[0].y)}`);
  const row = (s) => [s.name, ...steps.map((o) => { const p = s.points.find((q) => q.x === o[key]); return p ? [show(p.y), p.low === null ? "" : h("span", { class: "range" }, `[${show(p.low, p.y)}, ${show(p.high, p.y)}]`)] : "–"; })];
  const crossing = crossovers(steps, key, format);
  return {
    label,
    finding: `From ${format(first[key])} to ${format(last[key])}${key === "rows" ? " rows" : key === "cpus" ? " CPUs" : ""} job time becomes ${names(growth)}`,
    figure: [
      h("h3", {}, `${label[0].toUpperCase()}${label.slice(1)}`),
      h("p", { class: "soft" }, `From ${format(first[key])} to ${format(last[key])} (${times(last[key] / first[key])}), job time becomes: ${growth.join(", ")}. Ratios of medians; the bands are 95 % intervals. Nothing is extrapolated.`),
      hasLines ? h("figure", {}, lineLegend(series), scaling(h("div", { class: "chart" }), text, label, format, series)) : noLines(),
      crossing.length ? h("ul", { class: "plain" }, crossing.map((t) => h("li", {}, t))) : h("p", { class: "soft" }, "No two stacks change places between the measured points."),
      table(`Job time (s) by ${label}`, ["Stack", ...steps.map((o) => format(o[key]))], series.map(row)),
    ],
  };
}

function scale(c) {
  const parts = AXES.map((a) => ladderSection(c, a));
  const drawn = parts.filter((p) => p.figure), missing = parts.filter((p) => !p.figure).map((p) => p.label);
  return [
    heading("scale", "How it scales", drawn.length ? drawn[0].finding : "This case was measured at one size and one budget only"),
    drawn.length ? scopeLine(c) : null,
    drawn.map((p) => p.figure),
    h("p", { class: "soft" }, missing.length ? `Not varied for this case: ${names(missing)}. ` : "", "Workers of a cluster were not measured."),
  ];
}

/* ---- 6 What it costs ---- */

/** Three digits, never in powers of ten. */
const money = (v) => v.toFixed(v > 0 && v < 1 ? Math.min(12, 2 + Math.ceil(-Math.log10(v))) : 2);

const PRICES = [
  ["cpu_hour", "a CPU hour"],
  ["gb_hour", "a GB hour of memory"],
  ["runs_per_month", "runs a month"],
];

function priceInputs(p) {
  const input = ([key, label]) => {
    const change = (e) => {
      const v = Number(e.target.value);
      if (e.target.value.trim() !== "" && v >= 0 && isFinite(v)) state.prices = { ...state.prices, [key]: v };
      draw(`price-${key}`);
    };
    return h("label", {}, h("input", { type: "number", id: `price-${key}`, min: 0, step: "any", value: p[key], onchange: change }), ` ${label}`);
  };
  return h("div", { class: "controls" }, PRICES.map(input));
}

/** The budget for as long as a run lasts: linear in total time, so its interval is the total time's. */
function cost(c) {
  const all = c.stacks.filter((s) => cellOf(s, "total_s").n), p = state.prices;
  if (!p || !all.length || !(c.cpus > 0) || !(c.memory_bytes > 0)) return [heading("cost", "What it costs", "No run of this case has a time and a budget to be priced")];
  const second = (c.cpus * p.cpu_hour + (c.memory_bytes / 1e9) * p.gb_hour) / 3600;
  const run = (s) => cellOf(s, "total_s").median * second;
  const interval = (s) => range(cellOf(s, "total_s"), second);
  const rows = all.map((s) => {
    const i = interval(s);
    return [h("span", {}, dot(s), star(s)), `${money(run(s))}${i ? ` [${money(i[0])}, ${money(i[1])}]` : ""}`, c.bytes > 0 ? money(run(s) / (c.bytes / 1e9)) : "–", money(run(s) * p.runs_per_month)];
  });
  const assumed = PRICES.every(([key]) => p[key] === D.prices[key]);
  return [
    heading("cost", "What it costs", `At the prices assumed a run costs ${names(all.map((s) => `${money(run(s))} ${p.currency} with ${star(s)}`))}`),
    scopeLine(c),
    priceInputs(p),
    h("p", { class: "soft" }, assumed ? `Prices in ${p.currency}: ${p.source}${D.prices.own ? "" : " (assumed, not yours: change them here, or give weir report --prices)"}.` : `Prices in ${p.currency}, as changed on this page.`, ` What is paid is the whole budget (${c.cpus} CPU, ${bytes(c.memory_bytes)}) from the request to the end of the run, idle or not; with equal budgets the cheaper stack is the one with the shorter total time. Storage, network, people, and machines that cannot be had in this size are not in it.`),
    table(`Cost in ${p.currency}: medians with 95 % intervals`, ["Stack", "A run", "A GB of input", `A month of ${p.runs_per_month} runs`], rows),
  ];
}

/* ---- 7 Can you trust it? ---- */

function twinTable(c) {
  const rows = D.metrics.filter((m) => c.verdicts[m.key].a_against_a).map((m) => {
    const t = c.verdicts[m.key].a_against_a;
    const word = { tie: "tie", few: "too few samples", none: "no ratio", less: "NOT a tie", more: "NOT a tie" }[t.verdict];
    return [m.label, `${t.n_a} + ${t.n_b}`, t.ratio === null ? "–" : t.ratio.toFixed(3), t.interval ? `[${t.interval.low.toFixed(3)}, ${t.interval.high.toFixed(3)}]` : "–", t.p.toFixed(3), word];
  });
  if (!rows.length) return null;
  return folded("A against A, metric by metric", table("The same stack against itself; where it is not a tie, the metric gets no verdict", ["Metric", "n", "Ratio", "95 % interval", "p", "Verdict"], rows, { text: [5] }));
}

function sampleTable(c) {
  const rows = c.samples.map((x) => {
    const flags = [...(x.flags || []), ...x.outlier_in.map((k) => `outlier: ${METRIC[k].noun}`)];
    const v = (key) => (typeof x.metrics?.[key] === "number" ? show(x.metrics[key] * METRIC[key].scale) : "–");
    return [`${x.id}`, `${x.order ?? ""}`, `${x.stack}${x.twin ? ` (A/A ${x.twin})` : ""}`, x.usable ? "ok" : x.status === "ok" ? "not verified" : x.status, v("job_s"), v("peak_anon_bytes"), v("cpu_s"), (x.digest || "–").slice(0, 12), [x.error, ...flags].filter(Boolean).join("; ")];
  });
  return folded(`Every sample (${c.samples.length})`, table("Every sample, in the order of the file", ["Sample", "Order", "Stack", "Status", "Job (s)", "Memory (MB)", "CPU (s)", "Digest", "Flags, errors"], rows, { text: [2, 3, 7], wrap: [8] }));
}

function ledgers(c) {
  const seen = new Map();
  for (const x of c.samples) {
    if (!x.usable || !x.ledger) continue;
    const key = JSON.stringify([x.stack, x.digest, x.ledger]);
    seen.set(key, { x, n: (seen.get(key)?.n || 0) + 1 });
  }
  const rejected = (l) => Object.entries(l.rejected || {}).filter(([, n]) => n).map(([k, n]) => `${k} ${n}`).join(", ") || "none";
  const rows = [...seen.values()].map(({ x, n }) => [x.stack, `${n}`, x.digest || "–", `${x.ledger.rows_in ?? "–"}`, `${x.ledger.rows_out ?? "–"}`, rejected(x.ledger)]);
  return rows.length ? folded("Verification: digests and ledgers", table("What each stack's runs produced", ["Stack", "Runs", "Digest", "Rows in", "Rows out", "Rejected"], rows, { text: [2], wrap: [5] })) : null;
}

/** As a shell would take it. */
const quoted = (words) => words.map((w) => (/^[\w@%+=:,./-]+$/.test(w) ? w : `'${w.replaceAll("'", "'\\''")}'`)).join(" ");

function environment(c) {
  const run = runOf(c), rows = [], put = (k, v) => v !== undefined && v !== null && v !== "" && rows.push([k, typeof v === "object" ? JSON.stringify(v) : `${v}`]);
  put("weir", run.weir);
  put("created", run.created);
  for (const [k, v] of Object.entries(run.environment || {})) put(k, v);
  put("backend", run.backend);
  for (const note of run.backend_notes || []) put("backend note", note);
  put("sampler", run.sampler);
  put("plan", run.plan);
  for (const s of c.stacks) for (const [k, v] of Object.entries(s.versions || {})) put(`${s.stack}: ${k}`, v);
  const data = fileOf(c).data.filter((d) => d.data === c.data && (!c.format || d.format === c.format)).pop() || {};
  for (const k of ["source", "seed", "dirt", "files", "sha256"]) put(`data: ${k}`, data[k]);
  return folded("Machine, versions, data, plan", table("Everything needed to repeat it", ["What", "Value"], rows, { wrap: [1] }));
}

function notMeasured(c) {
  const missing = D.metrics.filter((m) => c.stacks.every((s) => !cellOf(s, m.key).n));
  const why = (m) => [...new Set(c.stacks.map((s) => cellOf(s, m.key).unavailable))].join("; ");
  return missing.length ? folded("What was not measured", h("ul", { class: "plain" }, missing.map((m) => h("li", {}, `${m.label}: ${why(m)}`)))) : null;
}

function orderFigure(c) {
  const stacks = timed(c).map((s) => ({ name: star(s), colour: colourOf(s), source: s, points: c.samples.filter((x) => x.stack === s.stack && x.usable && typeof x.metrics?.job_s === "number" && typeof x.order === "number").map((x) => [x.order, x.metrics.job_s]) })).filter((s) => s.points.length);
  if (!stacks.length || !hasLines) return null;
  return h("figure", {}, h("figcaption", {}, "Job times in the order of the runs, which is random; a slope would be drift."), h("ul", { class: "legend" }, stacks.map((s) => h("li", {}, dot(s.source), s.name))), orderPlot(h("div", { class: "chart" }), "Job times in the order of the runs; the table of samples has them", stacks));
}

/** "busy: 20 of 30 runs": what the benchmark flagged, by the word before the colon. */
function flagged(c) {
  const counts = new Map(), runs = c.samples.filter((x) => x.twin !== "b");
  for (const x of runs) for (const f of x.flags || []) counts.set(f.split(":")[0], (counts.get(f.split(":")[0]) || 0) + 1);
  return [...counts].filter(([word]) => word !== "outlier").map(([word, n]) => h("li", {}, `Flagged “${word}”: ${n} of ${runs.length} runs.`));
}

function trust(c) {
  const all = Object.entries({ "results equal": c.seals.results_equal, "A against A": c.seals.a_against_a, "same budgets": c.seals.budgets });
  const bad = all.filter(([, s]) => s.state !== "holds").map(([name, s]) => `${name} ${s.state === "broken" ? "does not hold" : "is not known"}`);
  const rate = c.false_differences, file = fileOf(c), run = runOf(c);
  return [
    heading("trust", "Can you trust it?", bad.length ? `Not all seals hold: ${names(bad)}` : "All three seals hold: equal results, A against A a tie, the same budgets"),
    scopeLine(c),
    h("ul", { class: "plain" }, all.map(([name, s]) => h("li", {}, `${name}: ${s.why}.`)),
      rate ? h("li", {}, `Error rate of the rule: dealt out at random ${rate.relabelings} times, the twins' job times were called different in ${((100 * rate.differences) / rate.relabelings).toFixed(1)} % [${(100 * rate.interval.low).toFixed(1)}, ${(100 * rate.interval.high).toFixed(1)}]; at most 5 % is promised.`) : h("li", {}, "Error rate of the rule: not computed for this case, which has no A against A of enough samples."),
      flagged(c),
      c.stop ? h("li", {}, `Ended after ${c.stop.repetitions} repetitions: ${c.stop.why === "narrow" ? "precise enough" : "the budget was used up"}${c.stop.widest === null ? "" : `; the widest interval of a median job time is ${show(100 * c.stop.widest)} % of it`}.`) : null,
      file.truncated ? h("li", {}, "The file's last line broke off and was left out.") : null,
      file.ended ? null : h("li", {}, "The benchmark did not end: these are the samples so far.")),
    orderFigure(c),
    twinTable(c),
    ledgers(c),
    sampleTable(c),
    environment(c),
    notMeasured(c),
    h("h3", {}, "Repeat it"),
    h("pre", {}, quoted(run.command || ["weir", "bench"])),
    serves(c),
  ];
}

function serves(c) {
  const rows = fileOf(c).serves.filter((s) => s.case === c.case).map((s) => [s.stack, show(s.first_job_s), (s.steady_job_s || []).map((v) => show(v)).join(", "), s.verified ? "yes" : "no"]);
  return rows.length ? folded("Jobs in one session", table("First job against steady state (s); not part of any verdict", ["Stack", "First", "Then", "Verified"], rows, { wrap: [2] })) : null;
}

/* ---- the page ---- */

function barWidth() {
  return Math.max(320, Math.min(760, document.getElementById("main").clientWidth || 760));
}

function choose(index) {
  state.index = index;
  draw("case");
}

function chooser() {
  if (D.cases.length < 2) return [];
  const options = D.cases.map((c, i) => h("option", { value: i, selected: i === state.index }, caseTitle(c)));
  return h("div", { class: "controls" }, h("label", {}, "Case ", h("select", { id: "case", onchange: (e) => choose(Number(e.target.value)) }, options)), h("span", { class: "soft" }, `${D.cases.length} cases; each stands alone, none are pooled`));
}

/** All cases on one line each: what a reader of several machines or sizes looks for first. */
function overview() {
  if (D.cases.length < 2) return null;
  const row = (c, i) => [h("a", { href: "#answer", onclick: () => choose(i) }, caseTitle(c)), ...["job_s", "peak_anon_bytes"].map((k) => winnerText(c.verdicts[k])), c.sentences[0]?.text || "no verified run"];
  return folded(`All ${D.cases.length} cases`, table("Winner among independent stacks, case by case", ["Case", "Job time", "Peak memory", "In words"], D.cases.map(row), { text: [1, 2], wrap: [3] }));
}

function draw(focus) {
  const c = D.cases[state.index], main = document.getElementById("main");
  const open = new Set([...main.querySelectorAll("details[open] > summary")].map((s) => s.textContent));
  forgetLines();
  document.getElementById("chooser").replaceChildren(...[chooser()].flat());
  document.getElementById("scope").replaceChildren(scopeLine(c));
  main.replaceChildren(...SECTIONS.map(([id, topic, make]) => h("section", { id, "aria-labelledby": `${id}-title` }, make(c), id === "answer" ? overview() : null)));
  for (const s of main.querySelectorAll("details > summary")) if (open.has(s.textContent)) s.parentElement.open = true;
  const first = c.sentences[0]?.text.replace(/\.$/, "") || "No run gave a verified result yet";
  document.getElementById("headline").textContent = first;
  document.title = `${first} · weir`;
  if (focus) document.getElementById(focus)?.focus();
  if (hasLines) drawLines(true);
}

function start() {
  document.getElementById("contents").replaceChildren(h("ul", {}, SECTIONS.map(([id, topic]) => h("li", {}, h("a", { href: `#${id}` }, topic)))));
  document.getElementById("end").replaceChildren(`Made by weir ${D.weir} from ${D.files.map((f) => `${fileName(f)} (${f.samples} samples)`).join(", ")}. How verdicts are made: docs/statistics.md.`);
  if (!D.cases.length) {
    document.getElementById("main").replaceChildren(h("p", {}, "There are no samples yet."));
    return;
  }
  draw();
  const again = () => hasLines && drawLines(true);
  let opened = [];
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  addEventListener("resize", () => hasLines && drawLines(false));
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const d of opened) d.open = true;
  });
  addEventListener("afterprint", () => {
    for (const d of opened) d.open = false;
  });
  matchMedia("print").addEventListener("change", again);
}

start();
