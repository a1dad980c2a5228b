// The engine of `zoo serve`: the board that serves the page answers.

import { start } from "./page.js";
import { $, element, megabytes } from "./text.js";

const SLOW_SECONDS = 60; // after which the server is taken for gone
// What a proxy before the server says itself: the server's own refusals have a line.
const OF_A_PROXY = {
  413: "A proxy before the server refuses pictures of this size (413). In nginx: client_max_body_size 16m.",
  502: "A proxy before the server does not reach it (502). Is the server still running?",
  504: "A proxy before the server did not wait for the answer (504). In nginx: proxy_read_timeout 90s.",
};

let model = null;
let token = takeToken();

/** Sends a request; throws an Error with the one line to show, and with `busy`, `retry` and `again`, see page.js. */
async function call(path, options = {}) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  let response;
  try {
    response = await fetch(path, { ...options, headers, signal: AbortSignal.timeout(SLOW_SECONDS * 1000) });
  } catch {
    throw Object.assign(new Error("The server does not answer. Is it still running?"), { again: 2 });
  }
  if (response.status === 401) {
    await askForToken();
    return call(path, options);
  }
  const answer = await response.json().catch(() => ({ error: OF_A_PROXY[response.status] ?? `The server says ${response.status}.` }));
  if (response.ok) return answer;
  const again = Number(response.headers.get("Retry-After")) || 0;
  throw Object.assign(new Error(answer.error), { busy: response.status === 429, retry: response.status === 429 || response.status === 503, again });
}

/** Sends a picture to the model; `milliseconds` gets what of the round trip was not the server's own. */
async function predict(picture, query) {
  const begin = performance.now();
  const answer = await call(`.${model.endpoint}?${new URLSearchParams(query)}`, { method: "POST", body: picture });
  const times = answer.milliseconds;
  times.total = performance.now() - begin;
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
  if (!$("ask")) addDialog();
  asking ??= new Promise((done) => {
    $("ask-problem").hidden = !token;
    $("ask").showModal();
    $("ask-form").onsubmit = (event) => {
      event.preventDefault();
      token = $("ask-token").value.trim();
      sessionStorage.setItem("token", token);
      $("ask").close();
      asking = null;
      done();
    };
  });
  return asking;
}

const canvas = document.createElement("canvas");

/** The current frame as a JPEG of at most twice the size that the model takes: more would only cost time. */
function frame(video) {
  const { videoWidth: width, videoHeight: height } = video;
  const [rows, columns] = model.input.shape;
  const scale = Math.min(1, (2 * Math.max(rows, columns)) / Math.min(width, height));
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.9));
}

function addDialog() {
  const dialog = element("dialog"), form = element("form"), word = element("input"), button = element("button", "Go on", "button primary");
  const problem = element("p", "That is not the token.", "problem");
  dialog.id = "ask";
  form.id = "ask-form";
  problem.id = "ask-problem";
  Object.assign(word, { id: "ask-token", type: "password", autocomplete: "current-password", required: true });
  word.setAttribute("aria-label", "Token");
  form.append(element("h2", "Token"), element("p", "This server answers those who know its token: the one it was started with."), word, problem, button);
  dialog.append(form);
  document.body.append(dialog);
}

start({
  loading: "",
  stages: ["wait", "decode", "inference", "network"],
  noCamera: "Browsers give the camera to https pages and to localhost only. “Choose pictures” can take a photo; for live pictures see --tls-cert in the manual, or reach this server through: ssh -L 8000:localhost:8000 BOARD",
  predict,
  frame,
  async model() {
    model = await call("v1/model").catch((error) => {
      throw Object.assign(error, { retry: true }); // a server that is gone may come back
    });
    return model;
  },
  fault({ name, size }) {
    const most = model?.limits.bytes ?? Infinity;
    return size > most ? `${name} has ${megabytes(size)}; this server takes ${megabytes(most)}` : "";
  },
});
