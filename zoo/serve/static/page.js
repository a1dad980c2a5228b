// The page of `zoo serve`. All text from the server or from files is put in as text, never as HTML, and by `shown`.
//
// One file, although it is long: its parts share one state and one stage, and call each other both ways (a picture
// stops the camera, the camera takes the stage); a board sends it in one answer, and there is no build step to join more.
// Only what files that find objects need is a file of its own, boxes.js: the page of a classifier does without it.

const $ = (id) => document.getElementById(id);
const seconds = (value) => new Promise((done) => setTimeout(done, value * 1000));
const number = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const MAX_PICTURES = 100; // kept in the strip
const FPS_SECONDS = 2; // averaged over
const SLOW_SECONDS = 60; // after which the server is taken for gone
// What a proxy before the server says itself: the server's own refusals have a line.
const OF_A_PROXY = {
  413: "A proxy before the server refuses pictures of this size (413). In nginx: client_max_body_size 16m.",
  502: "A proxy before the server does not reach it (502). Is the server still running?",
  504: "A proxy before the server did not wait for the answer (504). In nginx: proxy_read_timeout 90s.",
};

const state = {
  model: null,
  note: "", // on the model, shown where there is nothing else to say
  token: takeToken(),
  pictures: [], // {file, url, button, answer, problem}
  shown: null,
  stream: null,
};

// How answers are asked for, shown, and told in a caption. A file that finds objects has another one, of boxes.js.
let view = {
  query: () => `top_k=${$("top-k").value}`,
  show: (answer) => showBars(answer?.predictions ?? []),
  caption: ({ predictions: [best] }) => best.label,
  place() {}, // the picture has another place on the screen
  clear() {}, // there is no picture any more
};
let modelIsShown;
const ready = new Promise((done) => (modelIsShown = done));

// ---- Text that others wrote

const MAX_TEXT = 500; // characters of a label or a name
// Control characters, lone surrogates, and what is invisible or turns the direction of what follows. Joiners and variation
// selectors are left: scripts and emoji need them.
const HIDDEN = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u034f\u115f\u1160\u17b4\u17b5\u2065\u2800\u3164\uffa0]|(?![\u200c\u200d\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2])\p{Cf}/gu;

/** Text as it can be shown: what would not show itself is escaped as \\u{202e}, what is long is cut. */
function shown(text) {
  const whole = `${text}`, cut = whole.length > MAX_TEXT ? `${whole.slice(0, MAX_TEXT)}…` : whole;
  return cut.replace(HIDDEN, (found) => `\\u{${found.codePointAt(0).toString(16)}}`);
}

// ---- The server

/** Sends a request; throws an Error with the one line to show, and `status` and `again` (seconds) where there are any. */
async function call(path, options = {}) {
  const headers = state.token ? { Authorization: `Bearer ${state.token}` } : {};
  let response;
  try {
    response = await fetch(path, { ...options, headers, signal: AbortSignal.timeout(SLOW_SECONDS * 1000) });
  } catch {
    throw Object.assign(new Error("The server does not answer. Is it still running?"), { status: 0, again: 2 });
  }
  if (response.status === 401) {
    await askForToken();
    return call(path, options);
  }
  const answer = await response.json().catch(() => ({ error: OF_A_PROXY[response.status] ?? `The server says ${response.status}.` }));
  if (response.ok) return answer;
  const again = Number(response.headers.get("Retry-After")) || 0;
  throw Object.assign(new Error(answer.error), { status: response.status, again });
}

/** Sends a picture to the model; `milliseconds` gets what of the round trip was not the server's own. */
async function predict(picture) {
  await ready;
  const start = performance.now();
  const answer = await call(`.${state.model.endpoint}?${view.query()}`, { method: "POST", body: picture });
  const times = answer.milliseconds;
  times.total = performance.now() - start;
  times.network = Math.max(0, times.total - times.wait - times.decode - times.inference);
  return answer;
}

/** The token in `#token=...`, which then leaves the address bar, or the one typed before in this tab. */
function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem("token", given);
    history.replaceState(null, "", location.pathname + location.search);
  }
  return given ?? sessionStorage.getItem("token");
}

let asking = null;
function askForToken() {
  asking ??= new Promise((done) => {
    $("ask-problem").hidden = !state.token;
    $("ask").showModal();
    $("ask-form").onsubmit = (event) => {
      event.preventDefault();
      state.token = $("ask-token").value.trim();
      sessionStorage.setItem("token", state.token);
      $("ask").close();
      asking = null;
      done();
    };
  });
  return asking;
}

// ---- Answers

function element(tag, text = "", className = "") {
  const made = document.createElement(tag);
  made.textContent = shown(text);
  made.className = className;
  return made;
}

function showAnswer(answer, problem = "") {
  $("problem").hidden = !problem;
  $("problem").textContent = shown(problem);
  view.show(answer);
  const times = answer?.milliseconds;
  $("total").textContent = times ? `${milliseconds(times.total)}` : "";
  for (const stage of ["decode", "inference", "network", "wait"]) {
    $(`ms-${stage}`).textContent = times ? milliseconds(times[stage]) : "–";
    $("split").querySelector(`.${stage}`).style.width = times ? `${(100 * times[stage]) / times.total}%` : "0";
  }
}

function showBars(found) {
  const bars = $("bars");
  bars.querySelector(".empty")?.remove();
  while (bars.children.length > found.length) bars.lastChild.remove();
  found.forEach(({ label, index, score }, i) => {
    // Bars stay where they are and change, so that they move rather than flicker.
    const bar = bars.children[i] ?? bars.appendChild(newBar());
    bar.querySelector(".label").textContent = shown(label);
    // "Not sure" has the score of the class behind it, which shows it.
    bar.querySelector(".score").textContent = index < 0 ? "" : scoreText(score);
    bar.querySelector(".fill").style.width = index < 0 ? "0" : `${barShare(score, found[0].score) * 100}%`;
  });
}

/** A score as text: a probability in percent, any other number as it is; null is one that is no number. */
function scoreText(score) {
  if (score === null) return "–";
  return areProbabilities() ? `${(score * 100).toFixed(1)} %` : `${Number(score.toPrecision(4))}`;
}

/** The length of a score's bar, 0..1: of numbers that are no probabilities, their share of the best one. */
function barShare(score, best) {
  const share = areProbabilities() ? score : best > 0 ? score / best : 0;
  return Math.min(1, Math.max(0, share ?? 0));
}

const areProbabilities = () => state.model?.scores !== "numbers";

function newBar() {
  const bar = element("li"), line = element("div", "", "line"), track = element("div", "", "track");
  line.append(element("span", "", "label"), element("span", "", "score"));
  track.append(element("div", "", "fill"));
  bar.append(line, track);
  return bar;
}

const milliseconds = (value) => `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`;

function say(text) {
  $("message").textContent = shown(text || state.note);
  $("message").hidden = !(text || state.note);
}

// ---- Pictures

let working = false;
async function addPictures(files) {
  stopCamera();
  const added = [...files].slice(0, MAX_PICTURES).map((file) => ({ file, url: URL.createObjectURL(file) }));
  for (const picture of added) state.pictures.push(Object.assign(picture, { button: addToStrip(picture) }));
  while (state.pictures.length > MAX_PICTURES) {
    const { button, url } = state.pictures.shift();
    button.parentElement.remove();
    URL.revokeObjectURL(url);
  }
  $("strip").hidden = state.pictures.length < 2;
  if (added.length) show(added[0]);
  if (working) return; // the loop below takes them as well
  working = true;
  // One after the other: the next is sent when this one is answered.
  for (let next; (next = state.pictures.find((picture) => !picture.answer && !picture.problem)); ) await work(next);
  working = false;
}

async function work(picture) {
  const limit = state.model?.limits.bytes ?? Infinity;
  try {
    if (picture.file.size > limit) {
      throw new Error(`${picture.file.name} has ${megabytes(picture.file.size)}; this server takes ${megabytes(limit)}`);
    }
    picture.answer = await predict(picture.file);
  } catch (error) {
    if (error.status === 429 || error.status === 503) return seconds(error.again || 1);
    picture.problem = error.message;
  }
  showCaption(picture);
  if (state.shown === picture) show(picture);
}

function showCaption({ answer, problem, button }) {
  if (!answer && !problem) return; // it is not its turn yet
  button.lastChild.textContent = shown(answer ? view.caption(answer) : "not read");
  button.lastChild.classList.toggle("failed", !answer);
}

function addToStrip(picture) {
  const item = element("li"), button = element("button"), image = element("img");
  image.src = picture.url;
  image.alt = "";
  button.type = "button";
  button.title = shown(picture.file.name);
  button.append(image, element("span", "…"));
  button.onclick = () => {
    stopCamera();
    show(picture);
  };
  item.append(button);
  $("strip").append(item);
  return button;
}

function show(picture) {
  state.shown = picture;
  for (const { button } of state.pictures) button.setAttribute("aria-current", String(button === picture.button));
  if ($("picture").src !== picture.url) $("picture").src = picture.url;
  $("picture").hidden = $("video").hidden = false;
  $("video").hidden = true;
  fillStage(true);
  if (picture.answer || picture.problem) showAnswer(picture.answer, picture.problem && `${picture.problem}`);
  else view.clear();
}

const megabytes = (size) => `${(size / 1e6).toFixed(size < 1e7 ? 2 : 0)} MB`;
const bytes = (size) => (size < 1e3 ? `${size} B` : size < 1e6 ? `${(size / 1e3).toPrecision(3)} kB` : megabytes(size));

// ---- Camera

async function startCamera(deviceId) {
  if (!navigator.mediaDevices) {
    // Browsers give the camera to secure pages only; the picture chooser of a phone has one as well.
    say("Browsers give the camera to https pages and to localhost only. “Choose pictures” can take a photo; for live pictures see --tls-cert in the manual, or reach this server through: ssh -L 8000:localhost:8000 BOARD");
    return;
  }
  stopCamera();
  const wanted = deviceId ? { deviceId: { exact: deviceId } } : { facingMode: "environment" };
  try {
    state.stream = await navigator.mediaDevices.getUserMedia({ audio: false, video: { ...wanted, width: { ideal: 640 }, height: { ideal: 480 } } });
  } catch (error) {
    say(`No camera: ${error.message || error.name}`);
    return;
  }
  say("");
  state.shown = null;
  for (const { button } of state.pictures) button.removeAttribute("aria-current");
  $("video").srcObject = state.stream;
  $("picture").hidden = true;
  $("video").hidden = false;
  $("camera").textContent = "Stop camera";
  $("camera").setAttribute("aria-pressed", "true");
  view.clear();
  state.stream.getVideoTracks()[0].onended = stopCamera;
  await $("video").play();
  fillStage(true);
  listCameras();
  watch(state.stream);
}

function stopCamera() {
  if (!state.stream) return;
  for (const track of state.stream.getTracks()) track.stop();
  state.stream = $("video").srcObject = null;
  view.clear();
  $("video").hidden = $("fps").hidden = true;
  $("camera").textContent = "Start camera";
  $("camera").setAttribute("aria-pressed", "false");
  fillStage(false);
}

async function listCameras() {
  const cameras = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === "videoinput");
  const current = state.stream?.getVideoTracks()[0].getSettings().deviceId;
  $("device").replaceChildren(...cameras.map(({ deviceId, label }, i) => new Option(shown(label) || `Camera ${i + 1}`, deviceId, false, deviceId === current)));
  $("device").hidden = cameras.length < 2;
}

/** Frame after frame: one is taken only when the one before is answered, so that a slow board never queues. */
async function watch(stream) {
  const canvas = document.createElement("canvas");
  let answered = [];
  while (state.stream === stream) {
    await newFrame();
    if (document.hidden) { // nobody looks
      await seconds(0.5);
      continue;
    }
    try {
      const answer = await predict(await grab(canvas));
      if (state.stream !== stream) return;
      const now = performance.now();
      answered = [...answered.filter((time) => now - time < FPS_SECONDS * 1000), now];
      showAnswer(answer);
      const rate = (1000 * (answered.length - 1)) / (now - answered[0]);
      $("fps").hidden = answered.length < 2;
      $("fps").textContent = `${rate < 10 ? rate.toFixed(1) : rate.toFixed(0)} fps`;
    } catch (error) {
      if (state.stream !== stream) return;
      if (error.status !== 429) showAnswer(null, error.message);
      await seconds(error.again || 1);
    }
  }
}

function newFrame() {
  const video = $("video");
  // The first makes sure that no frame is sent twice; background tabs and cameras that stop need the second.
  const shown = new Promise((done) => (video.requestVideoFrameCallback ?? requestAnimationFrame.bind(window)).call(video, done));
  return Promise.race([shown, seconds(1)]);
}

/** The current frame as a JPEG of at most twice the size that the model takes: more would only cost time. */
function grab(canvas) {
  const { videoWidth: width, videoHeight: height } = $("video");
  const [rows, columns] = state.model.input.shape;
  const scale = Math.min(1, (2 * Math.max(rows, columns)) / Math.min(width, height));
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.getContext("2d").drawImage($("video"), 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.9));
}

// ---- The stage

function fillStage(full) {
  $("stage").classList.toggle("full", full);
  $("hint").hidden = full;
  place();
}

function place() {
  placeCrop();
  view.place();
}

/** Frames what the model sees of a picture where the file says that it is cut. */
function placeCrop() {
  const seen = [$("picture"), $("video")].find((node) => !node.hidden);
  const width = seen?.naturalWidth ?? seen?.videoWidth, height = seen?.naturalHeight ?? seen?.videoHeight;
  $("crop").hidden = !width || !height || state.model?.input.resize !== "crop";
  if ($("crop").hidden) return;
  const [rows, columns] = state.model.input.shape;
  const stage = $("stage"), scale = Math.min(stage.clientWidth / width, stage.clientHeight / height);
  const ratio = columns / rows, across = Math.min(width, height * ratio) * scale, down = across / ratio;
  Object.assign($("crop").style, {
    width: `${across}px`, height: `${down}px`,
    left: `${(stage.clientWidth - across) / 2}px`, top: `${(stage.clientHeight - down) / 2}px`,
  });
}

// ---- The model's tab

function showModel(model) {
  const [height, width, channels] = model.input.shape;
  document.title = $("file").textContent = shown(model.file);
  $("facts").textContent = shown(`${width} × ${height} × ${channels}, ${number.format(model.labels.length)} classes, ${megabytes(model.bytes)}, ${model.runtime}`);
  const random = model.card.weights === "random" ? ["This file's weights are random: its answers mean nothing."] : [];
  state.note = [...random, ...model.notes].join(" ");
  say("");
  const resize = { crop: "cut to the middle", pad: "filled up with black", stretch: "stretched" }[model.input.resize];
  const unsure = model.min_score === null ? {} : { "not sure below": scoreText(model.min_score) };
  if (model.threshold !== null) unsure.threshold = scoreText(model.threshold);
  list($("summary"), {
    file: model.file, size: megabytes(model.bytes), input: `${width} × ${height} × ${channels}, ${model.input.dtype}`,
    "other shapes are": resize, ...unsure, classes: number.format(model.labels.length),
    ...(model.macs === null ? {} : { MACs: number.format(model.macs) }),
    runtime: model.runtime, interpreters: model.workers,
    limits: `${megabytes(model.limits.bytes)}, ${number.format(model.limits.pixels / 1e6)} megapixels, ${model.limits.pictures} pictures at a time`,
    reads: model.limits.formats.join(", "),
  });
  list($("card"), Object.keys(model.card).length ? model.card : { "": "This file carries none." });
  $("ops").tBodies[0].replaceChildren(...model.ops.map((op) => {
    const row = element("tr"), share = element("td", "", "share"), bar = element("i");
    bar.style.width = `${model.macs ? (100 * op.macs) / model.macs : 0}%`;
    share.append(bar);
    row.append(...[op.op, number.format(op.count), op.bytes ? bytes(op.bytes) : "", op.macs ? short.format(op.macs) : ""].map((text) => element("td", text)), share);
    return row;
  }));
  $("label-count").textContent = number.format(model.labels.length);
  $("filter").hidden = model.labels.length < 12;
  $("filter").oninput = () => showLabels(model.labels);
  showLabels(model.labels);
  const classes = model.labels.length, counts = [1, 2, 3, 5, 10, 20].filter((count) => count < classes);
  if (classes <= 20) counts.push(classes);
  $("top-k").replaceChildren(...counts.map((count) => new Option(count, count)));
  $("top-k").value = String(Math.min(5, classes));
  place();
}

function showLabels(labels) {
  const wanted = $("filter").value.toLowerCase();
  const found = labels.map((label, i) => [label, i]).filter(([label]) => label.toLowerCase().includes(wanted));
  $("labels").replaceChildren(...found.map(([label, i]) => {
    const item = element("li");
    item.append(element("b", i), element("span", label));
    return item;
  }));
}

/** A table of names and values; what holds values of its own becomes several rows. */
function list(place, values, before = "") {
  if (!before) place.replaceChildren();
  for (const [name, value] of Object.entries(values)) {
    if (value !== null && typeof value === "object" && !Array.isArray(value)) list(place, value, `${before}${name} `);
    else place.append(element("dt", (before + name).replaceAll("_", " ")), element("dd", plain(value)));
  }
}

function plain(value) {
  if (typeof value === "number" && !Number.isInteger(value)) return `${Number(value.toPrecision(3))}`;
  return Array.isArray(value) ? value.join(", ") : `${value}`;
}

function selectTab(name) {
  for (const tab of ["try", "model"]) {
    $(tab).hidden = tab !== name;
    $(`tab-${tab}`).setAttribute("aria-selected", String(tab === name));
    $(`tab-${tab}`).tabIndex = tab === name ? 0 : -1;
  }
  place();
}

// ---- Start

for (const tab of ["try", "model"]) {
  const other = tab === "try" ? "model" : "try";
  $(`tab-${tab}`).onclick = () => selectTab(tab);
  $(`tab-${tab}`).onkeydown = ({ key }) => {
    if (key === "ArrowLeft" || key === "ArrowRight") selectTab(other), $(`tab-${other}`).focus();
  };
}
$("files").onchange = () => {
  addPictures($("files").files);
  $("files").value = ""; // so that the same file can be chosen again
};
$("camera").onclick = () => (state.stream ? stopCamera() : startCamera());
$("device").onchange = () => startCamera($("device").value);
$("top-k").onchange = () => {
  if (!state.shown) return;
  state.shown.answer = state.shown.problem = null;
  const again = state.shown;
  addPictures([]).then(() => show(again));
};
for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  // Anywhere: a picture dropped beside the frame would replace the page.
  addEventListener(kind, (event) => {
    event.preventDefault();
    $("stage").classList.toggle("over", kind === "dragenter" || kind === "dragover");
    if (kind === "drop") addPictures(event.dataTransfer.files);
  });
}
addEventListener("paste", (event) => addPictures(event.clipboardData.files));
addEventListener("resize", place);
for (const node of [$("picture"), $("video")]) for (const kind of ["load", "resize", "error"]) node.addEventListener(kind, place);

for (;;) {
  try {
    state.model = await call("v1/model");
    if (state.model.threshold !== null) {
      const { openBoxes } = await import("./boxes.js");
      view = openBoxes(state.model, { element, shown, scoreText, changed: () => state.pictures.forEach(showCaption) });
    }
    showModel(state.model);
    modelIsShown();
    break;
  } catch (error) {
    say(error.message);
    await seconds(error.again || 2);
  }
}
