/* Spans, labels and notes, kept in this page until they are saved as a file. */
"use strict";
(() => {
  const form = document.getElementById("span");
  if (!form) return;
  const recording = JSON.parse(document.getElementById("data").textContent);
  const ZERO = Date.UTC(2000, 0, 1);
  const COLUMNS = ["video", "start", "end", "condition", "face_id", "note", "annotator"];
  const field = (name) => form.elements[name];
  const status = document.getElementById("spanstatus");
  const say = (text) => { status.textContent = text; };
  let spans = [], unsaved = false;

  const seconds = (text) => {  // 75.5, 1:15.5 or 75,5
    const parts = text.trim().replace(",", ".").split(":");
    return parts.every((part) => /^\d+(\.\d+)?$/.test(part)) && parts.length <= 3
      ? parts.reduce((sum, part) => sum * 60 + Number(part), 0) : NaN;
  };

  const show = () => {
    spans.sort((a, b) => a.start - b.start || a.end - b.end);
    const table = document.getElementById("spans");
    table.hidden = !spans.length;
    table.tBodies[0].replaceChildren(...spans.map((span) => {
      const row = document.createElement("tr"), button = document.createElement("button");
      for (const text of [span.start.toFixed(2), span.end.toFixed(2), span.condition, span.face_id || "everybody", span.note,
        span.annotator]) row.insertCell().textContent = text;
      button.type = "button";
      button.textContent = "Remove";
      button.setAttribute("aria-label", `Remove ${span.condition} at ${span.start.toFixed(2)} s`);
      button.onclick = () => { spans = spans.filter((other) => other !== span); unsaved = true; show(); };
      row.insertCell().append(button);
      return row;
    }));
    for (const id of ["savecsv", "saveelan"]) document.getElementById(id).disabled = !spans.length;
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const [start, end] = ["start", "end"].map((name) => seconds(field(name).value));
    if (!(start < end)) return say("Expected a start and a later end in seconds, such as 12.5 or 1:02.5.");
    if (end > recording.duration + 0.5) return say(`Expected an end within the recording, which lasts ${recording.duration.toFixed(1)} s.`);
    spans.push({ video: recording.video, start, end, condition: field("label").value.trim(), face_id: field("face").value,
      note: field("note").value.trim(), annotator: field("annotator").value.trim() });
    unsaved = true;
    for (const name of ["start", "end", "label", "note"]) field(name).value = "";
    say(`${spans.length} in all.`);
    show();
  });

  document.getElementById("take").onclick = () => {
    const index = recording.people.findIndex((person) => String(person.id) === field("face").value);
    const plots = [...document.querySelectorAll(".plot.js-plotly-plot")].filter((plot) => plot.dataset.chart === "expression");
    const plot = plots.find((each) => each.dataset.person === String(index)) ?? plots[0];
    if (!plot) return say("No chart is drawn yet: scroll to one, or write the times.");
    const [start, end] = plot.layout.xaxis.range.map((at) => (Number(new Date(typeof at === "string" ? at.replace(" ", "T") + "Z" : at)) - ZERO) / 1000);
    field("start").value = Math.max(0, start).toFixed(2);
    field("end").value = Math.min(recording.duration, end).toFixed(2);
    say("");
  };

  const save = (name, text) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    unsaved = false;
  };
  const stem = () => recording.video.replace(/^.*[\\/]/, "").replace(/\.[^.]*$/, "") || "recording";
  /* As plain_text.cell of mien: spreadsheets compute no cell. What this page opens again is as it was. */
  const acts = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;
  const number = (part) => /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(part);
  const inert = (text) => text.replace(acts, " ").split(";")
    .map((part) => (/^\s*[=+\-@＝＋－＠]/.test(part) && !number(part) ? `'${part}` : part)).join(";");
  const original = (text) => text.split(";").map((part) => part.replace(/^'(?=\s*[=+\-@＝＋－＠])/, "")).join(";");
  const quoted = (value) => (/[",\n\r;\t]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  document.getElementById("savecsv").onclick = () => save(`${stem()}_annotations.csv`, [COLUMNS, ...spans.map((span) =>
    COLUMNS.map((name) => (typeof span[name] === "number" ? span[name].toFixed(3) : inert(span[name]))))]
    .map((cells) => cells.map(quoted).join(",") + "\n").join(""));
  /* ELAN's own format, EAF 3.0: a tier for each annotator and person, a second one where spans overlap, and a tier of notes
     that belong to its annotations. */
  const tiersOf = (all) => {
    const tiers = [];
    for (const span of all) {
      const name = [span.annotator || "annotation", span.face_id && `person ${span.face_id}`].filter(Boolean).join(", ");
      const alike = tiers.filter((tier) => tier.name === name);
      let tier = alike.find((each) => each.spans.at(-1).end <= span.start);
      if (!tier) tiers.push(tier = { name, id: alike.length ? `${name} (${alike.length + 1})` : name, spans: [] });
      tier.spans.push(span);
    }
    return tiers;
  };

  const eaf = (all) => {
    const made = document.implementation.createDocument(null, "ANNOTATION_DOCUMENT"), root = made.documentElement;
    const put = (parent, name, attributes = {}, text = "") => {
      const element = parent.appendChild(made.createElement(name));
      const allowed = (value) => String(value).replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, " ");
      for (const [key, value] of Object.entries(attributes)) if (value !== "") element.setAttribute(key, allowed(value));
      element.textContent = allowed(text);
      return element;
    };
    for (const [key, value] of Object.entries({ AUTHOR: "mien", DATE: new Date().toISOString(), FORMAT: "3.0", VERSION: "3.0" }))
      root.setAttribute(key, value);
    root.setAttributeNS("http://www.w3.org/2001/XMLSchema-instance", "xsi:noNamespaceSchemaLocation",
      "http://www.mpi.nl/tools/elan/EAFv3.0.xsd");
    const file = recording.video.replace(/^.*[\\/]/, ""), header = put(root, "HEADER", { TIME_UNITS: "milliseconds" });
    const kind = /\.(mp4|m4v)$/i.test(file) ? "video/mp4" : "video/*", path = `./${encodeURIComponent(file)}`;
    put(header, "MEDIA_DESCRIPTOR", { MEDIA_URL: path, MIME_TYPE: kind, RELATIVE_MEDIA_URL: path });
    const order = put(root, "TIME_ORDER");
    let slots = 0, annotations = 0;
    const slot = (seconds) => {
      slots += 1;
      put(order, "TIME_SLOT", { TIME_SLOT_ID: `ts${slots}`, TIME_VALUE: Math.round(1000 * seconds) });
      return `ts${slots}`;
    };
    const annotation = (tier, name, attributes, text) => {
      annotations += 1;
      const element = put(put(tier, "ANNOTATION"), name, { ANNOTATION_ID: `a${annotations}`, ...attributes });
      put(element, "ANNOTATION_VALUE", {}, text);
      return `a${annotations}`;
    };
    for (const { id, spans: its } of tiersOf(all)) {
      const who = { ANNOTATOR: its[0].annotator, PARTICIPANT: its[0].face_id && `person ${its[0].face_id}` };
      const tier = put(root, "TIER", { LINGUISTIC_TYPE_REF: "label", TIER_ID: id, ...who });
      const ids = its.map((span) => annotation(tier, "ALIGNABLE_ANNOTATION",
        { TIME_SLOT_REF1: slot(span.start), TIME_SLOT_REF2: slot(span.end) }, span.condition));
      if (its.every((span) => !span.note)) continue;
      const notes = put(root, "TIER", { LINGUISTIC_TYPE_REF: "note", PARENT_REF: id, TIER_ID: `${id} note`, ...who });
      its.forEach((span, i) => { if (span.note) annotation(notes, "REF_ANNOTATION", { ANNOTATION_REF: ids[i] }, span.note); });
    }
    put(root, "LINGUISTIC_TYPE", { GRAPHIC_REFERENCES: "false", LINGUISTIC_TYPE_ID: "label", TIME_ALIGNABLE: "true" });
    put(root, "LINGUISTIC_TYPE", { CONSTRAINTS: "Symbolic_Association", GRAPHIC_REFERENCES: "false", LINGUISTIC_TYPE_ID: "note",
      TIME_ALIGNABLE: "false" });
    put(root, "CONSTRAINT", { DESCRIPTION: "1-1 association with a parent annotation", STEREOTYPE: "Symbolic_Association" });
    return `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(made)}\n`;
  };
  document.getElementById("saveelan").onclick = () => save(`${stem()}.eaf`, eaf(spans));

  const cells = (line) => [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map((m) => (m[1] ?? m[2] ?? "").replaceAll('""', '"'));
  document.getElementById("openspans").onchange = async (event) => {
    const [file] = event.target.files;
    event.target.value = "";
    if (!file) return;
    const [head, ...lines] = (await file.text()).split(/\r?\n/).filter(Boolean).map(cells);
    if (COLUMNS.some((name) => !head.includes(name))) return say(`Expected a CSV that this page saved, with the columns ${COLUMNS.join(", ")}.`);
    spans = lines.map((line) => Object.fromEntries(COLUMNS.map((name) => [name, original(line[head.indexOf(name)] ?? "")])))
      .map((span) => ({ ...span, start: Number(span.start), end: Number(span.end) }));
    say(`${spans.length} in all.`);
    show();
  };
  addEventListener("beforeunload", (event) => { if (unsaved) event.preventDefault(); });
})();
