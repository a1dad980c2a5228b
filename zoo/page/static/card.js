// The tab that describes the model.

import { $, bytes, element, megabytes, number, scoreText, short, shown } from "./text.js";

/** Fills the head of the page and the tab, and returns what is to be said of the model where there is nothing else to say. */
export function showModel(model) {
  const [height, width, channels] = model.input.shape;
  document.title = $("file").textContent = shown(model.file);
  $("facts").textContent = shown(`${width} × ${height} × ${channels}, ${number.format(model.labels.length)} classes, ${megabytes(model.bytes)}, ${model.runtime}`);
  const resize = { crop: "cut to the middle", pad: "filled up with black", stretch: "stretched" }[model.input.resize];
  const unsure = model.min_score === null ? {} : { "not sure below": scoreText(model.min_score, model.scores !== "numbers") };
  if (model.threshold !== null) unsure.threshold = scoreText(model.threshold, true);
  list($("summary"), {
    file: model.file, size: megabytes(model.bytes), input: `${width} × ${height} × ${channels}, ${model.input.dtype}`,
    "other shapes are": resize, ...unsure, classes: number.format(model.labels.length),
    ...(model.macs === null ? {} : { MACs: number.format(model.macs) }),
    runtime: model.runtime, ...(model.limits ? ofServer(model) : {}),
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
  const random = model.card.weights === "random" ? ["This file's weights are random: its answers mean nothing."] : [];
  return [...random, ...model.notes].join(" ");
}

/** What a server says of itself. */
const ofServer = ({ workers, limits }) => ({
  interpreters: workers,
  limits: `${megabytes(limits.bytes)}, ${number.format(limits.pixels / 1e6)} megapixels, ${limits.pictures} pictures at a time`,
  reads: limits.formats.join(", "),
});

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
