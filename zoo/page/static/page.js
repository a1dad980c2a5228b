// The view: pictures, the camera, and answers as bars or boxes. An engine gives the answers, and says what it is:
//
//   loading        what to say until the model is there; empty where that takes no time
//   stages         the parts of an answer's time that it measures, among wait, decode, inference and network
//   model()        what there is to know of the model, as GET /v1/model says it
//   predict(picture, query)   the answer to a picture, as POST /v1/classify or /v1/detect gives it, with `milliseconds.total`
//   fault(file)    why a file cannot be taken, or an empty text
//   frame(video)   the current frame of a video as a picture that it takes
//   noCamera       what to say where the browser gives the page no camera
//
// What it throws is an Error with the one line to show. `retry` says that the same is to be asked again, after `again`
// seconds, and `busy` that the line need not be shown because that is soon.
//
// One module holds all this, although it is long: its parts share one state and one stage, and call each other both ways
// (a picture stops the camera, the camera takes the stage).

import { showModel } from "./card.js";
import { $, element, milliseconds, scoreText as asText, seconds, shown } from "./text.js";

const MAX_PICTURES = 100; // kept in the strip
const FPS_SECONDS = 2; // averaged over
const STAGES = ["wait", "decode", "inference", "network"];

const state = {
  model: null,
  note: "", // on the model, shown where there is nothing else to say
  pictures: [], // {file, url, button, answer, problem}
  shown: null,
  stream: null,
};

let engine;
// How answers are asked for, shown, and told in a caption. A file that finds objects has another one, of boxes.js.
let view = {
  query: () => ({ top_k: Number($("top-k").value) }),
  show: (answer) => showBars(answer?.predictions ?? []),
  caption: ({ predictions: [best] }) => best.label,
  place() {}, // the picture has another place on the screen
  clear() {}, // there is no picture any more
};
/** Asks the engine, as soon as the model is there. */
async function predict(picture) {
  await ready;
  return engine.predict(picture, view.query());
}

let modelIsShown, modelIsMissing;
const ready = new Promise((done, fail) => ([modelIsShown, modelIsMissing] = [done, fail]));
ready.catch(() => {}); // who waits for it is told

// ---- Answers

function showAnswer(answer, problem = "") {
  $("problem").hidden = !problem;
  $("problem").textContent = shown(problem);
  view.show(answer);
  const times = answer?.milliseconds;
  $("total").textContent = times ? `${milliseconds(times.total)}` : "";
  for (const stage of engine.stages) {
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

const scoreText = (score) => asText(score, areProbabilities());

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

function say(text) {
  $("message").textContent = shown(text || state.note);
  $("message").hidden = !(text || state.note);
  $("message").classList.toggle("calm", !text && state.note === engine.loading);
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
  try {
    const fault = engine.fault(picture.file);
    if (fault) throw new Error(fault);
    picture.answer = await predict(picture.file);
  } catch (error) {
    if (error.retry) return seconds(error.again || 1);
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
  hideIfBroken(image);
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

/** A file that the browser cannot show leaves its place empty: what is wrong stands beside it in a line. */
function hideIfBroken(image) {
  image.addEventListener("error", () => image.classList.add("broken"));
  image.addEventListener("load", () => image.classList.remove("broken"));
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

// ---- Camera

async function startCamera(deviceId) {
  if (!navigator.mediaDevices) {
    // The picture chooser of a phone has a camera as well.
    say(engine.noCamera);
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
  let answered = [];
  while (state.stream === stream) {
    await newFrame();
    if (document.hidden) { // nobody looks
      await seconds(0.5);
      continue;
    }
    try {
      const answer = await predict(await engine.frame($("video")));
      if (state.stream !== stream) return;
      const now = performance.now();
      answered = [...answered.filter((time) => now - time < FPS_SECONDS * 1000), now];
      showAnswer(answer);
      const rate = (1000 * (answered.length - 1)) / (now - answered[0]);
      $("fps").hidden = answered.length < 2;
      $("fps").textContent = `${rate < 10 ? rate.toFixed(1) : rate.toFixed(0)} fps`;
    } catch (error) {
      if (state.stream !== stream) return;
      if (!error.busy) showAnswer(null, error.message);
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

function selectTab(name) {
  for (const tab of ["try", "model"]) {
    $(tab).hidden = tab !== name;
    $(`tab-${tab}`).setAttribute("aria-selected", String(tab === name));
    $(`tab-${tab}`).tabIndex = tab === name ? 0 : -1;
  }
  place();
}

// ---- Start

/** Starts the page with an engine; returns when the model is shown. */
export async function start(given) {
  engine = given;
  for (const stage of STAGES) $(`ms-${stage}`).parentElement.hidden = !engine.stages.includes(stage);
  listen();
  hideIfBroken($("picture"));
  state.note = engine.loading;
  say("");
  for (;;) {
    try {
      state.model = await engine.model();
      break;
    } catch (error) {
      if (!error.retry) {
        state.note = error.message;
        say("");
        modelIsMissing(error);
        return;
      }
      say(error.message);
      await seconds(error.again || 2);
    }
  }
  if (state.model.threshold !== null) {
    const { openBoxes } = await import("./boxes.js");
    view = openBoxes(state.model, { element, shown, scoreText, changed: () => state.pictures.forEach(showCaption) });
  }
  state.note = showModel(state.model);
  offerCounts(state.model.labels.length);
  say("");
  place();
  modelIsShown();
}

/** Offers the numbers of classes that an answer may show. */
function offerCounts(classes) {
  const counts = [1, 2, 3, 5, 10, 20].filter((count) => count < classes);
  if (classes <= 20) counts.push(classes);
  $("top-k").replaceChildren(...counts.map((count) => new Option(count, count)));
  $("top-k").value = String(Math.min(5, classes));
}

function listen() {
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
}
