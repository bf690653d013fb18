"use strict";
// The live page sends camera frames with their capture times over a WebSocket and shows faces, events and waves.

const $ = (id) => document.getElementById(id);
const WIDTH = 640, FLIGHT = 3, MINUTE = 60, KEPT = 20000, FILM = 5e8;  // px; unanswered frames; s; most events, bytes
const state = { socket: null, media: null, flight: 0, held: 0, shown: 0, client: "", classes: [], units: {}, rows: [], kept: [], faces: null, last: -1,
  wave: null, recorder: null, film: [], sending: Promise.resolve(), complained: false, asking: false };

const token = () => $("token").value || new URLSearchParams(location.hash.slice(1)).get("token") || "";
const authorised = () => (token() ? { authorization: `Bearer ${token()}` } : {});
const say = (text, wrong = false) => { $("status").textContent = text; $("status").classList.toggle("wrong", wrong); };
const colour = (i) => getComputedStyle(document.documentElement).getPropertyValue(`--k${i % 7}`);

// ------------------------------------------------------------------ camera

async function start() {
  if (state.asking) return;  // a second permission would leave the first camera on
  state.asking = true;
  try {
    if (!navigator.mediaDevices) throw { name: "Insecure" };
    state.media = await navigator.mediaDevices.getUserMedia({ audio: false,
      video: { width: { ideal: WIDTH }, height: { ideal: 480 }, frameRate: { ideal: 30 } } });
  } catch (error) {
    const reasons = { NotAllowedError: "the browser has no permission to use it", NotFoundError: "no camera was found",
      NotReadableError: "another program uses it",
      Insecure: "the browser allows it only on https pages and pages of this machine" };
    say(`No picture from the camera: ${reasons[error.name] || error.name}.`, true);
    return;
  } finally {
    state.asking = false;
  }
  $("video").srcObject = state.media;
  await begin("Stop camera");
}

async function watch(file) {  // play the visitor's video here and analyse it like a camera, without uploading it
  if (state.media) stop();
  state.media = { url: URL.createObjectURL(file), getTracks: () => [] };
  $("video").src = state.media.url;
  try {
    await begin("Stop video");
  } catch (error) {
    stop();
    say(`${file.name} cannot be played by this browser (${error.name}); use Analyse a video instead.`, true);
  }
}

async function begin(button) {
  await $("video").play();
  state.rows = [];
  state.held = state.shown = 0;
  $("hint").hidden = true;
  $("camera").textContent = button;
  $("camera").setAttribute("aria-pressed", "true");
  connect();
  follow();
  record();
}

function stop(text = "The camera is off.") {
  for (const track of state.media ? state.media.getTracks() : []) track.stop();
  if (state.socket) state.socket.close();
  if (state.recorder) state.recorder.stop();
  if (state.media && state.media.url) {
    URL.revokeObjectURL(state.media.url);
    $("video").removeAttribute("src");
    $("video").load();
  }
  state.media = state.socket = state.faces = null;
  $("video").srcObject = null;
  $("hint").hidden = false;
  $("camera").textContent = "Start camera";
  $("camera").setAttribute("aria-pressed", "false");
  draw();
  say(text);
}

function connect() {
  const query = new URLSearchParams({ frames: "true", language: $("language").value, record: $("record").checked });
  if (token()) query.set("token", token());
  const media = state.media;
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/stream?${query}`);
  socket.binaryType = "arraybuffer";
  let opened = false;
  socket.onopen = () => { opened = true; say("Connected."); };
  socket.onmessage = (message) => state.socket === socket && receive(JSON.parse(message.data));
  socket.onclose = async (event) => {
    if (state.socket !== socket) return;
    state.socket = null;
    if (state.media) {
      const reason = await closeReason(event, opened);
      if (state.media !== media) return;
      say(`${reason}; trying again.`, true);
      setTimeout(() => state.media === media && connect(), 2000);  // unless the camera was stopped or restarted
    }
  };
  state.socket = socket;
  state.flight = 0;
  state.client = "";
  state.last = -1;
}

function reconnect() {  // with other options; the old socket's close is then no surprise
  const before = state.socket;
  if (!before) return;
  state.socket = null;
  before.close();
  connect();
}

async function closeReason(event, opened) {
  if (event.reason) return `The server closed the connection: ${event.reason}`;
  return opened ? "The connection to the server is lost" : refusal();
}

async function refusal() {  // browsers hide why a WebSocket was refused, so request a page and read its error
  try {
    await ask("v1/now");
    return "The server accepts no more cameras now";
  } catch (error) {
    return error instanceof TypeError ? "The server does not respond" : error.message;
  }
}

const canvas = document.createElement("canvas");

function follow() {
  const video = $("video");
  const next = (now, frame) => {
    if (!state.media) return;
    video.requestVideoFrameCallback(next);
    // The browser counts the frames that it shows; those between two calls came while this page was busy.
    if (state.shown) hold(Math.max(0, frame.presentedFrames - state.shown - 1));
    state.shown = frame.presentedFrames;
    // Use the capture time if the browser knows it: the arrival time jitters, which would ruin the pulse. The first
    // frame of a file has time 0, which must not be replaced by the arrival time.
    send(state.media.url ? frame.mediaTime : (frame.captureTime || frame.mediaTime * 1000 || now) / 1000);
  };
  video.requestVideoFrameCallback(next);
}

function hold(frames) {  // frames that never left this browser
  state.held += frames;
  $("held").textContent = `${state.held}`;
}

function send(time) {
  const socket = state.socket, video = $("video");
  if (!socket || socket.readyState !== WebSocket.OPEN || time <= state.last) return;
  if (state.flight >= FLIGHT) {  // the server or the network is slower than the camera
    hold(1);
    return;
  }
  const scale = Math.min(1, WIDTH / video.videoWidth);
  canvas.width = Math.round(video.videoWidth * scale);
  canvas.height = Math.round(video.videoHeight * scale);
  canvas.getContext("2d", { willReadFrequently: true }).drawImage(video, 0, 0, canvas.width, canvas.height);
  state.last = time;
  state.flight += 1;
  const drawn = new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.92));
  state.sending = state.sending.then(async () => {  // in the order of capture, not of compression
    const blob = await drawn, picture = blob && new Uint8Array(await blob.arrayBuffer());
    if (!picture || socket.readyState !== WebSocket.OPEN) { state.flight -= 1; return; }
    const message = new Uint8Array(8 + picture.length);
    new DataView(message.buffer).setFloat64(0, time, true);
    message.set(picture, 8);
    socket.send(message);
  });
}

// ------------------------------------------------------------------ messages from the server

function receive(message) {
  if (message.type === "hello") {
    state.client = message.client;
    state.classes = message.classes;
    state.units = message.units || {};
    $("legend").replaceChildren(...message.classes.map((name, i) => {
      const item = document.createElement("li"), mark = document.createElement("i");
      mark.style.setProperty("background", `var(--k${i % 7})`);
      item.append(mark, name);
      return item;
    }));
  } else if (message.type === "frame") {
    state.flight = Math.max(0, state.flight - 1);
    state.faces = message;
    $("dropped").textContent = `${message.dropped}`;
    draw();
  } else if (message.type === "error") {
    state.flight = Math.max(0, state.flight - 1);
    state.complained = true;
    say(message.reason, true);
  } else if (message.type === "wave") {
    state.wave = message;
    line();
  } else if (message.type === "event") event(message);
}

function event(row) {
  if (state.complained) say("Connected.");  // the server analyses frames again
  state.complained = false;
  if ($("text").textContent !== row.text) $("text").textContent = row.text;
  const { label, certainty, heart_rate: rate } = row.said;
  $("label").textContent = label ? `${label}${certainty === "clear" ? "" : " ?"}` : "unknown";
  $("heart").textContent = rate === null ? "unknown" : `${rate} bpm`;
  $("latency").textContent = `${row.latency_ms.toFixed(0)} ms`;
  state.rows.push(row);
  while (state.rows.length && state.rows[0].t < row.t - MINUTE) state.rows.shift();
  if ($("record").checked && state.kept.length < KEPT) state.kept.push(row);
  count();
  units(row.action_units);
  plots();
}

function units(values) {
  const box = $("units");
  const names = Object.keys(values || {});
  if (names.length && box.children.length !== names.length) {
    box.replaceChildren(...names.map((name) => {
      const item = document.createElement("div"), word = document.createElement("span"), bar = document.createElement("meter");
      item.setAttribute("role", "listitem");
      word.textContent = [name, state.units[name]].filter(Boolean).join(" ");
      bar.max = 5;
      bar.setAttribute("aria-label", word.textContent);
      item.append(word, bar);
      return item;
    }));
  }
  for (const [i, item] of [...box.children].entries()) item.lastChild.value = (values && values[names[i]]) || 0;
}

// ------------------------------------------------------------------ recording in this page's memory, until it closes

function count() {
  const bytes = state.film.reduce((sum, chunk) => sum + chunk.size, 0);
  if (bytes > FILM && state.recorder) state.recorder.stop();
  $("download").disabled = $("table").disabled = !state.kept.length;
  $("report").disabled = !($("record").checked && state.client && state.kept.length);
  $("filmed").disabled = !state.film.length;
  const counts = [state.kept.length && `${state.kept.length} events${state.kept.length === KEPT ? " (limit)" : ""}`,
    bytes && `${(bytes / 1e6).toFixed(1)} MB of video${bytes > FILM ? " (limit)" : ""}`];
  $("count").textContent = counts.filter(Boolean).join("; ");
}

function record() {  // record video only if both boxes are ticked, and only from a camera
  $("film").disabled = !$("record").checked;
  const enabled = $("record").checked && $("film").checked && state.media && !state.media.url;
  if (enabled && !state.recorder) {
    state.film = [];
    state.recorder = new MediaRecorder(state.media);
    state.recorder.ondataavailable = (chunk) => { if (chunk.data.size) state.film.push(chunk.data); count(); };
    state.recorder.onstop = () => { state.recorder = null; };
    state.recorder.start(1000);
  } else if (!enabled && state.recorder) state.recorder.stop();
  count();
}

async function report() {  // of the session so far; the server has its rows
  const id = state.client;
  if ($("report").disabled || !id) return;
  $("report").disabled = true;
  say("Making the report of this session.");
  try {
    const work = await (await ask(`v1/sessions/${id}/report`, { method: "POST" })).json();
    show(work);
    say("The report of this session is ready.");
  } catch (error) {
    say(error.message, true);
  }
  count();
}

async function finish(text) {  // the server forgets a session with its connection: the report comes first
  const media = state.media;
  $("video").pause();
  await report();
  if (state.media === media) stop(text);
}

function csv(rows) {
  const line = (values) => values.map((v) => (v === null || v === undefined ? "" : typeof v === "number" ? v
    : `"${String(v).replaceAll('"', '""')}"`)).join(",");
  const shares = (row) => state.classes.map((name) => row.expression && row.expression[name]);
  const names = ["t", "person", "state", "label", "confidence", ...state.classes, "valence", "arousal", "reason",
    "heart_rate_bpm", "heart_rate_quality", "heart_rate_reason", "latency_ms", "text"];
  return [line(names), ...rows.map((row) => {
    const heart = row.heart_rate || {};
    return line([row.t, row.face_id, row.state, row.label, row.confidence, ...shares(row), row.valence, row.arousal,
      row.reason, heart.value, heart.quality, heart.reason, row.latency_ms, row.text]);
  })].map((text) => `${text}\n`).join("");
}

// ------------------------------------------------------------------ drawing

function fitted(element) {
  const ratio = window.devicePixelRatio || 1, box = element.getBoundingClientRect();
  element.width = Math.round(box.width * ratio);
  element.height = Math.round(box.height * ratio);
  const context = element.getContext("2d");
  context.scale(ratio, ratio);
  return [context, box.width, box.height];
}

function draw() {
  const [context, width, height] = fitted($("overlay"));
  if (!state.faces) return;
  const [w, h] = state.faces.size, scale = Math.min(width / w, height / h);
  const [left, top] = [(width - w * scale) / 2, (height - h * scale) / 2];
  context.font = "600 14px system-ui, sans-serif";
  for (const face of state.faces.faces) {
    const [x0, y0, x1, y1] = face.box.map((v, i) => (i % 2 ? top : left) + v * scale);
    const chosen = face.id === state.faces.chosen;
    context.lineWidth = chosen ? 3 : 1.5;
    context.strokeStyle = chosen ? "#6dd3ee" : "#ffffff";
    context.setLineDash(face.state === "tracked" ? [] : [6, 5]);
    context.strokeRect(x0, y0, x1 - x0, y1 - y0);
    const words = `person ${face.id}`, wide = context.measureText(words).width + 10;
    context.fillStyle = "rgba(0, 0, 0, .65)";
    context.fillRect(x0, Math.max(0, y0 - 21), wide, 20);
    context.fillStyle = "#fff";
    context.fillText(words, x0 + 5, Math.max(15, y0 - 6));
  }
}

function timeline() {
  const [context, width, height] = fitted($("timeline"));
  const rows = state.rows, end = rows.length ? rows[rows.length - 1].t : 0;
  for (const row of rows) {
    const [x0, x1] = row.window.map((t) => Math.round(width * (1 - (end - t) / MINUTE)));
    let y = height;
    state.classes.forEach((name, i) => {
      const share = row.expression && row.expression[name] ? row.expression[name] : 0;
      context.fillStyle = colour(i);
      context.fillRect(x0, y - share * height, x1 - x0, share * height);
      y -= share * height;
    });
  }
  const shown = rows.length ? rows[rows.length - 1] : null;
  $("timeline").setAttribute("aria-label", `Probability of each expression over the last minute; now ${shown ? shown.label || "unknown" : "nothing"}`);
}

function plots() {
  timeline();
  trend("rates", state.rows.map((row) => row.heart_rate && row.heart_rate.value), 40, 160);
  const latencies = state.rows.map((row) => row.latency_ms), slowest = Math.max(100, ...latencies);
  $("slowest").textContent = slowest.toFixed(0);
  trend("latencies", latencies, 0, slowest);
  strips();
}

function place(row, width) {  // where a row's step ends, in px from the left
  return width * (1 - (state.rows[state.rows.length - 1].t - row.t) / MINUTE);
}

function trend(id, values, low, high) {
  const [context, width, height] = fitted($(id));
  context.strokeStyle = context.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--accent");
  context.lineWidth = 1.6;
  let joined = false;
  context.beginPath();
  values.forEach((value, i) => {
    const known = typeof value === "number", x = place(state.rows[i], width) - 2;
    const y = height * (.95 - .9 * (Math.min(Math.max(value, low), high) - low) / (high - low));
    if (known) context[joined ? "lineTo" : "moveTo"](x, y);
    if (known) context.fillRect(x - 1.5, y - 1.5, 3, 3);
    joined = known;
  });
  context.stroke();
}

function strips() {
  const [context, width, height] = fitted($("strips"));
  const names = Object.keys((state.rows.findLast((row) => row.action_units) || {}).action_units || {});
  const style = getComputedStyle(document.documentElement), high = height / Math.max(names.length, 1);
  context.font = "11px system-ui, sans-serif";
  const labels = names.map((name) => [name, state.units[name]].filter(Boolean).join(" "));
  const left = Math.min(width / 2, Math.max(0, ...labels.map((label) => context.measureText(label).width)) + 10);
  names.forEach((name, i) => {
    context.fillStyle = style.getPropertyValue("--soft");
    context.fillText(labels[i], 4, (i + .5) * high + 4, left - 8);
    context.fillStyle = style.getPropertyValue("--accent");
    for (const row of state.rows) {
      const x = left + place(row, width - left), x0 = Math.round(x - (row.window[1] - row.window[0]) / MINUTE * (width - left));
      context.globalAlpha = Math.min(1, ((row.action_units && row.action_units[name]) || 0) / 5);
      context.fillRect(x0, i * high + 1, Math.round(x) - x0, high - 2);
    }
    context.globalAlpha = 1;
  });
}

function line() {
  const [context, width, height] = fitted($("wave"));
  const values = state.wave ? state.wave.values : [];
  $("wavenote").textContent = values.length ? "" : "(shown once a heart rate is known)";
  if (!values.length) return;
  const most = Math.max(...values.map(Math.abs), 1e-9);
  context.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue("--accent");
  context.lineWidth = 1.6;
  context.beginPath();
  values.forEach((v, i) => context.lineTo((i / (values.length - 1)) * width, height * (.5 - .45 * v / most)));
  context.stroke();
}

// ------------------------------------------------------------------ an uploaded video

let job = null, sent = false, cancelled = false;  // one at a time

async function ask(path, options = {}) {
  const response = await fetch(path, { ...options, headers: { ...authorised(), ...options.headers } });
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    const { detail } = problem;
    throw new Error(typeof detail === "string" ? detail : `the server responded with status ${response.status}`);
  }
  return response;
}

async function upload(file) {
  if (sent) {
    say("A video is being analysed: wait until it is done, or cancel it.", true);
    return;
  }
  [sent, cancelled] = [true, false];
  $("job").hidden = false;
  $("results").replaceChildren();
  $("progress").removeAttribute("value");
  $("jobname").textContent = `Sending ${file.name}`;
  $("cancel").disabled = true;
  try {
    const query = new URLSearchParams({ images: $("images").checked });
    let work = await (await ask(`v1/analyze?${query}`, { method: "POST", body: file,
      headers: { "content-type": "application/octet-stream" } })).json();
    job = work.id;
    $("cancel").disabled = false;
    while (work.status === "queued" || work.status === "running") {
      $("jobname").textContent = work.status === "queued" ? "Waiting for its turn" : `Analysing ${file.name}`;
      $("progress").value = work.progress;
      await new Promise((done) => setTimeout(done, 500));
      work = await (await ask(`v1/analyze/${job}`)).json();
    }
    $("progress").value = work.progress;
    if (work.status !== "done") throw new Error(work.reason || work.status);
    $("jobname").textContent = `${file.name}: ${work.people} ${work.people === 1 ? "person" : "people"}`;
    show(work);
    say("The analysis is complete.");
  } catch (error) {
    $("jobname").textContent = `${file.name} was not analysed`;
    say(cancelled ? "Cancelled." : error.message, !cancelled);
  }
  sent = false;
  $("cancel").disabled = true;
}

function show(work) {  // the files of a finished job; with a token a browser cannot open them by address
  $("results").replaceChildren(...work.files.map((name) => result(work.id, name)));
  if (token() || !work.files.includes("report.html")) return;
  const item = document.createElement("li"), link = document.createElement("a");
  link.className = "button";
  link.textContent = "Open the report";
  link.href = `v1/analyze/${work.id}/report.html?view=true`;
  link.target = "_blank";
  link.rel = "noopener";
  item.append(link);
  $("results").prepend(item);
}

function result(id, name) {
  const item = document.createElement("li"), button = document.createElement("button");
  button.type = "button";
  button.textContent = `Download ${name}`;
  button.onclick = async () => {
    try { save(await (await ask(`v1/analyze/${id}/${name}`)).blob(), name); } catch (error) { say(error.message, true); }
  };
  item.append(button);
  return item;
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// ------------------------------------------------------------------ buttons

$("camera").onclick = () => (state.media ? finish("The camera is off.") : start());
$("file").onchange = () => { const [file] = $("file").files; $("file").value = ""; if (file) upload(file); };
$("watch").onchange = () => { const [file] = $("watch").files; $("watch").value = ""; if (file) watch(file); };
$("video").onended = () => finish("The video is over.");
$("report").onclick = report;
$("cancel").onclick = () => { cancelled = true; ask(`v1/analyze/${job}`, { method: "DELETE" }).catch((error) => say(error.message, true)); };
$("download").onclick = () => save(new Blob([state.kept.map((row) => JSON.stringify(row) + "\n").join("")],
  { type: "application/jsonl" }), "events.jsonl");
$("table").onclick = () => save(new Blob([csv(state.kept)], { type: "text/csv" }), "events.csv");
$("filmed").onclick = () => save(new Blob(state.film, { type: state.film[0].type || "video/webm" }), "session.webm");
$("film").onchange = record;
$("record").onchange = () => { state.kept = []; record(); reconnect(); };
$("language").onchange = reconnect;
const repaint = () => { draw(); plots(); line(); };
window.addEventListener("resize", repaint);
matchMedia("print").addEventListener("change", repaint);  // printed in the light colours
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
line();
