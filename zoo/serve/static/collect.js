// The page that collects pictures: a camera, a Record button for each class, and what has been recorded.

const FRAMES_PER_SECOND = 8, QUALITY = 0.92, SHOWN = 60, SLOW_SECONDS = 60, LONGEST_BURST = 200;
const PIECE = /[^0-9a-z]/g;

const $ = (id) => document.getElementById(id);
const state = { token: takeToken(), stream: null, recording: null, cards: new Map() };
const canvas = document.createElement("canvas");

function say(text, calm = false) {
  $("message").textContent = text;
  $("message").hidden = !text;
  $("message").classList.toggle("calm", calm);
}

// ---- The server

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

/** Sends a request and returns its response; throws an Error with the one line to show. */
async function call(method, path, parameters = {}, body = undefined) {
  const query = new URLSearchParams(parameters).toString();
  const headers = state.token ? { Authorization: `Bearer ${state.token}` } : {};
  let response;
  try {
    response = await fetch(query ? `${path}?${query}` : path, { method, headers, body, signal: AbortSignal.timeout(SLOW_SECONDS * 1000) });
  } catch {
    throw new Error("The server does not answer. Is it still running?");
  }
  if (response.ok) return response;
  if (response.status === 401) {
    await askForToken();
    return call(method, path, parameters, body);
  }
  const answer = await response.json().catch(() => ({}));
  const error = new Error(answer.error ?? `The server says ${response.status}.`);
  error.again = Number(response.headers.get("Retry-After")) || 0;
  throw error;
}

// ---- Classes

async function refresh() {
  const found = await (await call("GET", "v1/classes")).json();
  for (const one of found.classes) show(one);
  const total = found.classes.reduce((sum, one) => sum + one.count, 0);
  $("facts").textContent = `into the folder ${found.folder}, up to ${found.limits.pictures.toLocaleString("en")} pictures`;
  if (!total && !found.classes.length) say("Add a class for each thing that the model is to tell apart, and one for nothing of it.", true);
}

/** Shows what the server says of a class, in a new card if it has none yet. */
function show(found) {
  let card = state.cards.get(found.name);
  if (!card) {
    const section = $("class").content.firstElementChild.cloneNode(true);
    card = { name: found.name, section, strip: section.querySelector(".strip"), pictures: new Map() };
    section.querySelector(".label").textContent = found.name;
    const record = section.querySelector(".record");
    record.setAttribute("aria-label", `Record ${found.name}`);
    record.addEventListener("pointerdown", (event) => { record.setPointerCapture(event.pointerId); start(card, record); });
    for (const name of ["pointerup", "pointercancel", "lostpointercapture", "blur"]) record.addEventListener(name, stop);
    record.addEventListener("keydown", (event) => { if ([" ", "Enter"].includes(event.key) && !event.repeat) start(card, record); });
    record.addEventListener("keyup", stop);
    state.cards.set(found.name, card);
    $("classes").append(section);
  }
  card.section.querySelector(".count").textContent = found.count === 1 ? "1 picture" : `${found.count} pictures`;
  const listed = new Set(found.files);
  for (const [file, item] of card.pictures) if (!listed.has(file)) { item.remove(); card.pictures.delete(file); }
  for (const file of [...found.files].reverse()) if (!card.pictures.has(file)) add(card, file);
  return card;
}

/** Shows a picture that is in a class; a click deletes it. */
function add(card, file, blob = null) {
  const item = document.createElement("li"), button = document.createElement("button"), image = document.createElement("img");
  image.alt = file;
  button.type = "button";
  button.title = `Delete ${file}`;
  button.setAttribute("aria-label", `Delete ${file} of ${card.name}`);
  button.append(image);
  item.append(button);
  card.strip.prepend(item);
  card.pictures.set(file, item);
  while (card.strip.children.length > SHOWN) card.strip.lastElementChild.remove();
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      show(await (await call("DELETE", "v1/pictures", { class: card.name, file })).json());
      say("");
    } catch (error) {
      button.disabled = false;
      say(error.message);
    }
  });
  draw(image, card, file, blob);
}

async function draw(image, card, file, blob) {
  try {
    const content = blob ?? (await (await call("GET", "v1/pictures", { class: card.name, file })).blob());
    image.src = URL.createObjectURL(content);
    image.onload = () => URL.revokeObjectURL(image.src);
  } catch {
    image.alt = "not there any more";
  }
}

$("new").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    show(await (await call("POST", "v1/classes", { name: $("name").value })).json());
    $("name").value = "";
    say("");
  } catch (error) {
    say(error.message);
  }
});

// ---- Recording

function start(card, button) {
  if (state.recording) return;
  if (!state.stream) {
    say("Start the camera first.", true);
    return;
  }
  say("");
  button.setAttribute("aria-pressed", "true");
  state.recording = { card, button };
  record(state.recording);
}

function stop() {
  if (!state.recording) return;
  state.recording.button.setAttribute("aria-pressed", "false");
  state.recording = null;
}

/** Sends frames of the camera, one after the other, until the button is let go. */
async function record(recording) {
  const burst = Date.now().toString(36).replace(PIECE, "");
  for (let number = 0; state.recording === recording && number < LONGEST_BURST; number++) {
    const next = performance.now() + 1000 / FRAMES_PER_SECOND;
    const blob = await frame();
    if (!blob) break;
    try {
      const found = await (await call("POST", "v1/pictures", { class: recording.card.name, burst }, blob)).json();
      if (!recording.card.pictures.has(found.file)) add(recording.card, found.file, blob);
      show(found);
    } catch (error) {
      if (!error.again) {
        say(error.message);
        break;
      }
      await pause(error.again * 1000);
    }
    await pause(next - performance.now());
  }
  if (state.recording === recording) stop();
}

/** The camera's frame as a JPEG file. */
function frame() {
  const video = $("video");
  if (!video.videoWidth) return null;
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  canvas.getContext("2d").drawImage(video, 0, 0);
  return new Promise((done) => canvas.toBlob(done, "image/jpeg", QUALITY));
}

function pause(milliseconds) {
  return new Promise((done) => setTimeout(done, Math.max(0, milliseconds)));
}

// ---- The camera

async function startCamera(deviceId = null) {
  if (!navigator.mediaDevices) {
    say("Browsers give the camera to pages of https and localhost only: use --tls-cert, or a tunnel of ssh.");
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
  $("video").srcObject = state.stream;
  $("video").hidden = false;
  $("hint").hidden = true;
  $("stage").classList.add("full");
  $("camera").textContent = "Stop camera";
  $("camera").setAttribute("aria-pressed", "true");
  state.stream.getVideoTracks()[0].onended = stopCamera;
  await $("video").play();
  const devices = (await navigator.mediaDevices.enumerateDevices()).filter((one) => one.kind === "videoinput");
  $("device").replaceChildren(...devices.map((one, index) => new Option(one.label || `Camera ${index + 1}`, one.deviceId)));
  $("device").hidden = devices.length < 2;
  if (deviceId) $("device").value = deviceId;
}

function stopCamera() {
  stop();
  if (!state.stream) return;
  for (const track of state.stream.getTracks()) track.stop();
  state.stream = $("video").srcObject = null;
  $("video").hidden = true;
  $("hint").hidden = false;
  $("stage").classList.remove("full");
  $("camera").textContent = "Start camera";
  $("camera").setAttribute("aria-pressed", "false");
}

$("camera").addEventListener("click", () => (state.stream ? stopCamera() : startCamera()));
$("device").addEventListener("change", () => startCamera($("device").value));
refresh().catch((error) => say(error.message));
