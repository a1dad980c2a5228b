// The engine of `zoo web`: the browser answers itself, by LiteRT.js.

import { Tensor, loadAndCompile, loadLiteRt } from "@litertjs/core";
import { classes } from "./answers.js";
import { decode } from "./decoding.js";
import { objects } from "./objects.js";
import { start } from "./page.js";
import { about, isOneFile, part } from "./parts.js";
import { fit, toPixels } from "./pixels.js";
import { provide } from "./wasm.js";

const ARRAYS = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array };
const described = about(), { run } = described;
const layout = run.layout;
if (layout?.anchors) layout.anchors = new Float32Array(layout.anchors);
let model = null, places = [];

async function load() {
  const [file, glue, wasm] = await Promise.all(["model", "glue", "wasm"].map(part));
  try {
    provide(wasm);
    // The ending tells LiteRT.js that this is a file and no folder.
    const address = URL.createObjectURL(new Blob([glue], { type: "text/javascript" }));
    await loadLiteRt(`${address}#.js`);
    URL.revokeObjectURL(address);
    // Never a graphics processor: some give wrong numbers.
    model = await loadAndCompile(file, { accelerator: "wasm" });
    places = placesOf(model.getOutputDetails());
  } catch (error) {
    throw new Error(`This browser does not run the model: ${error?.message ?? error}. Chrome and Firefox from 2023 on and Safari from 16.4 on should.`);
  }
  return described;
}

/** Pixels in the order, type and numbers of the model's input. */
function stored(pixels) {
  const [rows, columns, channels] = described.input.shape, { table, axes, batch, dtype } = run.input;
  const values = new ARRAYS[dtype](pixels.length * batch), plane = rows * columns;
  for (let at = 0; at < pixels.length; at++) {
    const channel = at % channels, value = table ? table[channel % table.length][pixels[at]] : pixels[at];
    values[axes === "first" ? channel * plane + (at - channel) / channels : at] = value;
  }
  for (let copy = 1; copy < batch; copy++) values.copyWithin(copy * pixels.length, 0, pixels.length);
  return values;
}

/** Runs the model; returns the stored outputs for the first picture of the batch. */
async function outputs(pixels) {
  const input = new Tensor(stored(pixels), run.input.shape);
  const made = await model.run([input]);
  input.delete();
  const values = places.map((place, at) => made[place].toTypedArray().slice(0, run.outputs[at].count));
  for (const output of made) output.delete();
  return values;
}

/** Where the runtime puts each of the file's outputs: it may order them by their names. */
function placesOf(details) {
  const found = run.outputs.map(({ names }) => details.findIndex(({ name }) => names.includes(name)));
  return new Set(found).size === found.length && !found.includes(-1) ? found : [...found.keys()];
}

async function answer(source, query) {
  const begin = performance.now();
  const picture = await decode(source);
  const pixels = toPixels(picture, described.input, picture.stored);
  const decoded = performance.now();
  const found = await outputs(pixels);
  const done = performance.now();
  const [rows, columns] = described.input.shape;
  const place = fit([picture.width, picture.height], [columns, rows], described.input.resize);
  const predictions = layout ? objects(found, run, described, query, place) : classes(found, run, described, query);
  const end = performance.now();
  performance.clearMeasures("inference"); // only the last one is kept, for those who measure
  performance.measure("inference", { start: decoded, end: done });
  const milliseconds = { decode: decoded - begin, inference: done - decoded, total: end - begin };
  return { predictions, picture: [picture.width, picture.height], milliseconds };
}

let last = Promise.resolve(); // the model answers one picture at a time

start({
  loading: "The model is being loaded…",
  stages: ["decode", "inference"],
  noCamera: "This browser gives the camera to https pages, to localhost and, some, to files. “Choose pictures” can take a photo.",
  model: load,
  predict(source, query) {
    const next = last.then(() => answer(source, query));
    last = next.catch(() => {});
    return next;
  },
  fault: () => "",
  frame: (video) => video,
});

if (!isOneFile && "serviceWorker" in navigator) navigator.serviceWorker.register("sw.js").catch(() => {}); // without, it works with a network only
