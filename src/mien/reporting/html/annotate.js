/* Spans, labels and notes, kept in this page until they are saved as a file. */
"use strict";
(() => {
  const form = document.getElementById("span");
  if (!form) return;
  const recording = JSON.parse(document.getElementById("data").textContent);
  const ZERO = Date.UTC(2000, 0, 1);
  const COLUMNS = ["video", "start", "end", "condition", "face_id", "note", "annotator"];
  const ELAN = ["Tier", "Participant", "Begin Time - ss.msec", "End Time - ss.msec", "Duration - ss.msec", "Annotation"];
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
  const quoted = (value) => (/[",\n\r;\t]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  document.getElementById("savecsv").onclick = () => save(`${stem()}_annotations.csv`, [COLUMNS, ...spans.map((span) =>
    COLUMNS.map((name) => (typeof span[name] === "number" ? span[name].toFixed(3) : span[name])))]
    .map((cells) => cells.map(quoted).join(",") + "\n").join(""));
  document.getElementById("saveelan").onclick = () => save(`${stem()}_annotations.txt`, [ELAN, ...spans.flatMap((span) => {
    const tier = span.annotator || "annotation", who = span.face_id ? `person ${span.face_id}` : "";
    const line = (name, text) => [name, who, span.start.toFixed(3), span.end.toFixed(3), (span.end - span.start).toFixed(3), text];
    return [line(tier, span.condition), ...(span.note ? [line(`${tier} note`, span.note)] : [])];
  })].map((cells) => cells.map((cell) => cell.replace(/[\t\r\n]+/g, " ")).join("\t") + "\n").join(""));

  const cells = (line) => [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map((m) => (m[1] ?? m[2] ?? "").replaceAll('""', '"'));
  document.getElementById("openspans").onchange = async (event) => {
    const [file] = event.target.files;
    event.target.value = "";
    if (!file) return;
    const [head, ...lines] = (await file.text()).split(/\r?\n/).filter(Boolean).map(cells);
    if (COLUMNS.some((name) => !head.includes(name))) return say(`Expected a CSV that this page saved, with the columns ${COLUMNS.join(", ")}.`);
    spans = lines.map((line) => Object.fromEntries(COLUMNS.map((name) => [name, line[head.indexOf(name)]])))
      .map((span) => ({ ...span, start: Number(span.start), end: Number(span.end) }));
    say(`${spans.length} in all.`);
    show();
  };
  addEventListener("beforeunload", (event) => { if (unsaved) event.preventDefault(); });
})();
