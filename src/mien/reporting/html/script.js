/* Draws the report's charts from the JSON in #data. The page loads nothing from the network. */
"use strict";
(() => {
  if (typeof Plotly === "undefined") { document.getElementById("nocharts").hidden = false; return; }
  const data = JSON.parse(document.getElementById("data").textContent);
  const ZERO = Date.UTC(2000, 0, 1); // time 0 of the recording: Plotly takes small numbers for years
  const span = [ZERO, ZERO + Math.max(data.duration * 1000, 100)];

  /* The rows of a matrix from charts.matrix; the largest code, 255 or 65535, is null. */
  const unpack = (matrix) => {
    const bytes = Uint8Array.from(atob(matrix.z), (c) => c.charCodeAt(0));
    const codes = matrix.bits === 16 ? new Uint16Array(bytes.buffer) : bytes;
    const columns = codes.length / matrix.rows, most = 2 ** matrix.bits - 1;
    const unit = (matrix.high - matrix.low) / (most - 1);
    return Array.from({ length: matrix.rows }, (_, r) =>
      Array.from(codes.subarray(r * columns, (r + 1) * columns), (code) => (code === most ? null : matrix.low + code * unit)));
  };

  for (const person of data.people) {
    if (person.edges) {
      person.edges = person.edges.map((ms) => ZERO + ms);
      for (const name of ["probs", "affect", "aus"]) person[name] = unpack(person[name]);
      for (const name of ["rate", "quality"]) [person[name]] = unpack(person[name]);
      const [label, state, ...reasons] = unpack(person.codes).map((codes) => codes.map((code) => code ?? -1));
      const [reason, pulseReason] = reasons.map((codes) => codes.map((code) => data.reasons[code] ?? ""));
      Object.assign(person, { label, state, reason, pulseReason });
    }
    if (person.wave) {
      person.wave.start += ZERO;
      person.wave.view = person.wave.view.map((ms) => ZERO + ms);
      [person.wave.y] = unpack(person.wave.y);
    }
    if (person.image) person.image.start += ZERO;
    for (const curve of Object.values(person.truth ?? {})) curve.x = curve.x.map((ms) => ZERO + ms);
  }
  for (const curve of [...(data.session?.signals ?? []), ...(data.session?.attention ?? [])]) curve.x = curve.x.map((ms) => ZERO + ms);
  data.gaps = data.gaps.map((gap) => gap.map((ms) => ZERO + ms));
  const hours = data.duration >= 3600;
  const clock = hours ? "%-H:%M:%S" : "%-M:%S";
  const touch = matchMedia("(pointer: coarse)").matches;
  const states = ["tracked", "predicted", "lost"];
  let tone = {};

  const readTone = () => {
    const style = getComputedStyle(document.documentElement);
    const names = ["page", "card", "ink", "soft", "line", "grid", "accent", "warn", "truth", "mark", "none", ...data.classes, ...states];
    tone = Object.fromEntries(names.map((name) => [name, style.getPropertyValue("--" + name).trim()]));
    tone.font = style.fontFamily;
    tone.scale = [0, 0.15, 0.4, 0.7, 1].map((at, i) => [at, style.getPropertyValue("--ramp" + i).trim()]);
  };

  const middles = (edges) => edges.slice(1).map((end, i) => (end + edges[i]) / 2);
  const repeatLast = (values) => [...values, values[values.length - 1]];

  /* A strip of colours: kinds[i] is an index into colours, or -1 or null for none. */
  const strip = (edges, kinds, colours, words, axis, y = [0, 1]) => ({
    type: "heatmap", x: edges, y, z: [kinds.map((k) => (k === null || k < 0 ? null : k))], text: [words],
    zmin: -0.5, zmax: colours.length - 0.5, showscale: false, hoverongaps: false, yaxis: axis,
    colorscale: colours.flatMap((c, i) => [[i / colours.length, c], [(i + 1) / colours.length, c]]),
    hovertemplate: "%{text}<extra></extra>",
  });

  const axis = (domain, more = {}) => ({
    domain, fixedrange: true, zeroline: false, showgrid: false, ticks: "", color: tone.soft, tickfont: { size: 11 },
    automargin: false, ...more,
  });
  const bare = (domain) => axis(domain, { showticklabels: false, range: [0, 1] });

  /* The label of a lane, left of its axis. */
  const lane = (wide, domain, text, always = false) => (wide || always ? [{
    xref: "paper", yref: "paper", x: 0, y: (domain[0] + domain[1]) / 2, xanchor: "right", yanchor: "middle",
    xshift: wide ? -42 : -6, text, showarrow: false, font: { size: wide ? 12 : 11, color: tone.soft }, align: "right",
  }] : []);

  const note = (domain, text) => ({
    xref: "paper", yref: "paper", x: 0.5, y: (domain[0] + domain[1]) / 2, text, showarrow: false,
    font: { size: 13, color: tone.soft },
  });

  const shade = (edges, off, domain) => {
    const rectangles = [];
    off.forEach((missing, i) => {
      const last = rectangles[rectangles.length - 1];
      if (missing && last && last.x1 === edges[i]) last.x1 = edges[i + 1];
      else if (missing) rectangles.push({ type: "rect", xref: "x", yref: "paper", x0: edges[i], x1: edges[i + 1], y0: domain[0],
        y1: domain[1], fillcolor: tone.none, opacity: 0.75, line: { width: 0 }, layer: "below" });
    });
    return rectangles;
  };

  /* Holes of the recording: no picture was taken there. Charts of many points keep them visible with a dotted edge. */
  const holes = () => data.gaps.map(([x0, x1]) => ({ type: "rect", xref: "x", yref: "paper", x0, x1, y0: 0, y1: 1,
    fillcolor: tone.page, opacity: 1, line: { width: 1, color: tone.line, dash: "dot" }, layer: "above" }));

  const charts = {
    glance(people, wide) {
      const count = people.length;
      const tall = Math.min(34, 14 + 90 / count);
      const yaxis = axis([0, 1], { range: [count, 0], showticklabels: true, tickfont: { size: 12 },
        tickvals: people.map((_, i) => i + 0.5), ticktext: people.map((p) => (wide ? "Person " : "") + p.id) });
      const traces = people.filter((p) => p.edges).map((p) => {
        const i = people.indexOf(p);
        const kinds = p.label.map((k, j) => (k >= 0 ? k : p.state[j] < 0 ? null : data.classes.length));
        const words = kinds.map((k, j) => `person ${p.id}: ` + (k === null ? "" : data.classes[k] ?? p.reason[j]));
        const colours = [...data.classes.map((c) => tone[c]), tone.none];
        return strip(p.edges, kinds, colours, words, "y", [i + 0.12, i + 0.88]);
      });
      return { traces, layout: { yaxis, height: 46 + tall * count } };
    },

    expression(p, wide) {
      const [top, label, seen] = [[0.29, 1], [0.125, 0.215], [0, 0.09]];
      const order = [...data.classes.filter((c) => c !== "neutral"), ...data.classes.filter((c) => c === "neutral")];
      const stack = order.map((name) => ({
        type: "scatter", mode: "lines", name, x: p.edges, y: repeatLast(p.probs[data.classes.indexOf(name)]), stackgroup: "p",
        stackgaps: "infer zero", line: { width: 0, shape: "hv", color: tone[name] }, fillcolor: tone[name],
        hovertemplate: "%{y:.0%}",
      }));
      const words = p.label.map((k, i) => (k >= 0 ? `${data.classes[k]}` : p.reason[i] || "nothing"));
      const kinds = p.label.map((k, i) => (k >= 0 ? k : p.state[i] < 0 ? null : data.classes.length));
      const colours = [...data.classes.map((c) => tone[c]), tone.none];
      const traces = [...stack, strip(p.edges, kinds, colours, words, "y2"),
        strip(p.edges, p.state, states.map((s) => tone[s]), p.state.map((s) => states[s] ?? ""), "y3")];
      return { traces, anchor: "y3", layout: {
        height: 300, hovermode: "x unified",
        yaxis: axis(top, { range: [0, 1.001], tickformat: ".0%", tickvals: [0, 0.5, 1], showgrid: true, gridcolor: tone.grid }),
        yaxis2: bare(label), yaxis3: bare(seen),
        annotations: [...lane(wide, top, "probability"), ...lane(wide, label, "label", true), ...lane(wide, seen, "seen", true)],
        shapes: shade(p.edges, p.label.map((k, i) => k < 0 && p.state[i] >= 0), top),
      } };
    },

    affect(p, wide) {
      const x = middles(p.edges);
      const line = (name, y, color, dash) => ({ type: "scatter", mode: x.length > 1 ? "lines" : "markers", name, x, y,
        line: { color, width: 1.8, dash }, marker: { color, size: 7 }, hovertemplate: "%{y:+.2f}" });
      const full = [0, 1];
      return { traces: [line("valence", p.affect[0], tone.accent), line("arousal", p.affect[1], tone.warn, "dot")], layout: {
        height: 190, hovermode: "x unified",
        yaxis: axis(full, { range: [-1.05, 1.05], tickvals: [-1, 0, 1], ticktext: ["\u22121", "0", "+1"], showgrid: true,
          gridcolor: tone.grid, zeroline: true, zerolinecolor: tone.line }),
        annotations: lane(wide, full, "rating"),
        shapes: shade(p.edges, p.label.map((k, i) => k < 0 && p.state[i] >= 0), full),
      } };
    },

    heart(p, wide) {
      const [top, low] = [[0.36, 1], [0, 0.24]];
      const x = middles(p.edges);
      const truth = p.truth?.heart_rate;
      const known = [...p.rate, ...(truth ? truth.y : []), p.overall].filter((v) => v !== null && v !== undefined);
      const [min, max] = known.length ? [Math.min(...known), Math.max(...known)] : [50, 110];
      const pad = Math.max(6, (32 - (max - min)) / 2);
      const spare = x.length > 400 ? 2 : 3.5;
      const traces = [
        { type: "scatter", mode: "lines+markers", name: "heart rate", x, y: p.rate, connectgaps: false,
          line: { color: tone.accent, width: 2 }, marker: { color: tone.accent, size: spare }, hovertemplate: "%{y:.0f} bpm" },
        { type: "scatter", mode: "lines", name: "quality", x: p.edges, y: repeatLast(p.quality), yaxis: "y2", fill: "tozeroy",
          line: { color: tone.accent, width: 1, shape: "hv" }, fillcolor: tone.accent + "40", hovertemplate: "%{y:.2f}" },
        { type: "scatter", mode: "lines", x, y: x.map(() => 0.5), yaxis: "y2", line: { width: 0 }, name: "no heart rate",
          text: p.pulseReason, hovertemplate: "%{text}", customdata: p.pulseReason, opacity: 0 },
      ];
      traces[2].y = x.map((_, i) => (p.pulseReason[i] ? 0.5 : null));
      if (truth) traces.unshift({ type: "scatter", mode: "lines", name: "planted", x: truth.x, y: truth.y,
        line: { color: tone.truth, width: 2, dash: "dot" }, hovertemplate: "%{y:.0f} bpm" });
      const off = p.rate.map((v, i) => v === null && p.state[i] >= 0);
      return { traces, anchor: "y2", layout: {
        height: 260, hovermode: "x unified",
        yaxis: axis(top, { range: [min - pad, max + pad], nticks: 5, showgrid: true, gridcolor: tone.grid }),
        yaxis2: axis(low, { range: [0, 1], tickvals: [0, 1], showgrid: true, gridcolor: tone.grid }),
        annotations: [...lane(wide, top, "beats a minute"), ...lane(wide, low, "quality"),
          ...(p.rate.every((v) => v === null) ? [note(top, "no heart rate at any moment")] : [])],
        shapes: [...shade(p.edges, off, top), ...(p.overall ? [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: p.overall,
          y1: p.overall, line: { color: tone.soft, width: 1, dash: "dash" } }] : [])],
      } };
    },

    wave(p, wide) {
      const { start, step, y, view } = p.wave;
      const full = [0, 1];
      const traces = [{ type: "scatter", mode: "lines", name: "pulse", x: y.map((_, i) => start + i * step), y,
        line: { color: tone.accent, width: 1.6 }, hovertemplate: "%{y:.1f}" }];
      const truth = p.truth?.pulse;
      if (truth) traces.unshift({ type: "scatter", mode: "lines", name: "planted", x: truth.x, y: truth.y,
        line: { color: tone.truth, width: 1.6, dash: "dot" }, hovertemplate: "%{y:.1f}" });
      const end = start + step * Math.max(y.length - 1, 1);
      return { traces, range: [Math.max(view[0], start), Math.min(view[1], end)], layout: {
        height: 190, dragmode: touch ? false : "pan",
        yaxis: axis(full, { showticklabels: false, zeroline: true, zerolinecolor: tone.line, range: [-3.6, 3.6] }),
        annotations: lane(wide, full, "colour change"),
      } };
    },

    image(p, wide) {
      const { start, step, bpm, z } = p.image;
      const rows = unpack(z);
      const full = [0, 1];
      const traces = [{ type: "heatmap", x0: start, dx: step, y: bpm, z: rows, zmin: z.low, zmax: z.high,
        colorscale: tone.scale, showscale: false, hoverongaps: false,
        hovertemplate: "%{y:.0f} a minute, %{z:.0f} dB<extra></extra>" }];
      if (p.edges) traces.push({ type: "scatter", mode: "lines", x: middles(p.edges), y: p.rate, connectgaps: false,
        line: { color: tone.mark, width: 2 }, hoverinfo: "skip" });
      return { traces, layout: {
        height: 240,
        shapes: shade(rows[0].concat(0).map((_, i) => start + (i - 0.5) * step), rows[0].map((v) => v === null), full),
        yaxis: axis(full, { type: "log", tickvals: [45, 60, 80, 100, 140, 180, 240], range: [Math.log10(42), Math.log10(240)] }),
        annotations: lane(wide, full, "a minute"),
      } };
    },

    aus(p, wide) {
      const rows = p.aus;
      const names = data.units;
      const words = rows.map((row, i) => row.map(() => `${names[i][0]} ${names[i][1]}`));
      const yaxis = axis([0, 1], { range: [names.length - 0.5, -0.5], tickvals: names.map((_, i) => i),
        ticktext: names.map(([code, name]) => (wide ? `${name} <b>${code.slice(2)}</b>` : code)), tickfont: { size: 11 } });
      return { traces: [{ type: "heatmap", x: p.edges, y: names.map((_, i) => i), z: rows, text: words, zmin: 0, zmax: 5,
        colorscale: tone.scale, showscale: false, hoverongaps: false, ygap: 1,
        hovertemplate: "%{text}: %{z:.1f}<extra></extra>" }], layout: { height: 410, yaxis,
        shapes: shade(p.edges, rows[0].map((v) => v === null), [0, 1]) } };
    },

    /* A lane for the prediction, one for each signal, and one for each attention curve. */
    session(p, wide) {
      const { signals, attention } = data.session;
      const line = (name, x, y, colour, more) => ({ name, draw: { type: "scatter", mode: "lines", name, x, y, connectgaps: false,
        line: { color: colour, width: 1.4 }, hovertemplate: name + " %{y:.2f}<extra></extra>", ...more } });
      const answer = p.edges ? [line(`p(${data.session.class})`, middles(p.edges), p.probs[p.probs.length - 1], tone.accent, {})] : [];
      const lanes = [...answer, ...signals.map((s) => line(s.name, s.x, s.y, tone.ink, {})),
        ...attention.map((a) => line(`attention to ${a.name}`, a.x, a.y, tone.mark, { fill: "tozeroy", fillcolor: tone.mark + "40" }))];
      const traces = [], annotations = [], axes = {};
      lanes.forEach((item, i) => {
        const domain = [1 - (i + 0.88) / lanes.length, 1 - i / lanes.length];
        const id = i ? "y" + (i + 1) : "y";
        const ticks = i < answer.length ? { range: [0, 1], tickvals: [0, 1] } : { showticklabels: i >= answer.length + signals.length, nticks: 3 };
        axes[i ? "yaxis" + (i + 1) : "yaxis"] = axis(domain, { ...ticks, showgrid: true, gridcolor: tone.grid });
        traces.push({ ...item.draw, yaxis: id });
        annotations.push(...(wide ? lane(wide, domain, item.name) : [{ xref: "paper", yref: "paper", x: 0, y: domain[1],
          xanchor: "left", yanchor: "top", text: item.name, showarrow: false, font: { size: 11, color: tone.soft } }]));
      });
      const anchor = lanes.length > 1 ? "y" + lanes.length : "y";
      return { traces, anchor, layout: { height: 60 + 76 * Math.max(lanes.length, 1), annotations, ...axes } };
    },

    truth(p, wide) {
      const names = Object.keys(p.estimate);
      const x = middles(p.edges);
      const traces = [], annotations = [], axes = {};
      names.forEach((name, i) => {
        const domain = [1 - (i + 0.86) / names.length, 1 - i / names.length];
        const id = i ? "y" + (i + 1) : "y";
        axes[i ? "yaxis" + (i + 1) : "yaxis"] = axis(domain, { range: [-0.2, 5.2],
          tickvals: [0, 5], showgrid: true, gridcolor: tone.grid });
        traces.push({ type: "scatter", mode: "lines", name: "planted", x: p.truth[name].x, y: p.truth[name].y, yaxis: id,
          line: { color: tone.truth, width: 1.6, dash: "dot" }, hovertemplate: name + " %{y:.1f} planted<extra></extra>" },
        { type: "scatter", mode: "lines", name: "estimate", x, y: p.estimate[name], yaxis: id,
          line: { color: tone.accent, width: 1.8 }, hovertemplate: name + " %{y:.1f}<extra></extra>" });
        const words = data.units.find(([code]) => code === name)[1];
        annotations.push(...(wide ? lane(wide, domain, `${words}<br><b>${name}</b>`) : [{ xref: "paper", yref: "paper", x: 0,
          y: domain[1], xanchor: "left", yanchor: "top", text: name, showarrow: false, font: { size: 11, color: tone.soft } }]));
      });
      const anchor = names.length > 1 ? "y" + names.length : "y";
      return { traces, anchor, layout: { height: 40 + 84 * names.length, annotations, ...axes } };
    },
  };

  /* A chart is drawn for a known width: that of its place on the screen, or that of a printed page. */
  const PAPER = 620; // px: fits on A4 and on US Letter between the margins of a browser
  let printing = matchMedia("print").matches;
  const widths = new Map();

  const draw = (plot) => {
    const width = printing ? PAPER : plot.clientWidth;
    const wide = width >= 600;
    widths.set(plot, width);
    const kind = plot.dataset.chart;
    const person = kind === "glance" ? data.people : data.people[+plot.dataset.person] ?? {};
    const { traces, layout, range, anchor = "y" } = charts[kind](person, wide);
    const kept = plot.layout?.xaxis?.range;
    return Plotly.react(plot, traces, {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false, dragmode: touch ? false : "zoom",
      hovermode: "closest", font: { family: tone.font, size: 12, color: tone.ink },
      margin: { l: wide ? 150 : 44, r: wide ? 14 : 8, t: 8, b: 26 },
      hoverlabel: { bgcolor: tone.card, bordercolor: tone.line, font: { color: tone.ink, family: tone.font, size: 12 } },
      ...layout, width, shapes: [...(layout.shapes ?? []), ...holes()],
      xaxis: { type: "date", range: kept ?? range ?? span, showgrid: false, zeroline: false, color: tone.soft,
        tickfont: { size: 11 }, hoverformat: clock, nticks: wide ? 12 : 5, linecolor: tone.line, ticks: "outside",
        tickcolor: tone.line, ticklen: 4, fixedrange: touch, anchor,
        tickformatstops: [{ dtickrange: [null, 999], value: "%-M:%S.%2f" }, { dtickrange: [999, null], value: clock }] },
    }, { displaylogo: false, scrollZoom: false, displayModeBar: touch ? false : "hover",
      modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d"] });
  };

  let linking = false;
  const link = (plot) => plot.on("plotly_relayout", (change) => {
    if (linking || plot.dataset.chart === "wave") return;
    const range = change["xaxis.autorange"] ? span
      : change["xaxis.range"] ?? (change["xaxis.range[0]"] !== undefined ? [change["xaxis.range[0]"], change["xaxis.range[1]"]] : null);
    if (!range) return;
    linking = true;
    const others = [...document.querySelectorAll(".plot.js-plotly-plot")].filter((other) =>
      other !== plot && other.dataset.person === plot.dataset.person && !["wave", "glance"].includes(other.dataset.chart));
    Promise.all(others.map((other) => Plotly.relayout(other, { "xaxis.range": range }))).finally(() => { linking = false; });
  });

  const plots = [...document.querySelectorAll(".plot")];
  const drawn = new Set();
  const show = (plot) => { if (!drawn.has(plot)) { drawn.add(plot); draw(plot).then(link); } };
  const repaint = () => { readTone(); drawn.forEach((plot) => draw(plot)); };
  const showAll = () => plots.forEach(show);

  readTone();
  const watcher = new IntersectionObserver((entries) => entries.forEach((entry) => {
    if (entry.isIntersecting) { show(entry.target); watcher.unobserve(entry.target); }
  }), { rootMargin: "900px" });
  plots.forEach((plot) => watcher.observe(plot));
  /* A page of a few people is drawn whole, one chart after the other, so that a picture of it has no empty card. */
  const drawNext = () => {
    const next = plots.find((plot) => !drawn.has(plot));
    if (next) { show(next); setTimeout(drawNext, 30); }
  };
  if (plots.length <= 30) addEventListener("load", () => setTimeout(drawNext, 200));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  const setPrinting = (on) => {
    printing = on;
    if (on) showAll();
    repaint();
  };
  matchMedia("print").addEventListener("change", (event) => setPrinting(event.matches));
  addEventListener("beforeprint", () => setPrinting(true));
  addEventListener("afterprint", () => setPrinting(matchMedia("print").matches));
  const resizer = new ResizeObserver((entries) => entries.forEach(({ target }) => {
    const drawn = widths.get(target);
    if (!printing && drawn && target.clientWidth && target.clientWidth !== drawn) draw(target);
  }));
  plots.forEach((plot) => resizer.observe(plot));
})();
