// From what a detector puts out to objects with boxes, as zoo.tasks.decoding does it.

import { real, requireFinite } from "./answers.js";

const CANDIDATES = 400; // the most boxes among which overlapping ones are looked for

/**
 * The objects of a picture, best first.
 *
 * `run` says how the outputs are arranged, `about` has labels and the input's shape, `place` is what pixels.js' `fit` says of the
 * picture, in its own pixels.
 */
export function objects(outputs, run, about, { threshold, limit }, place) {
  const { layout } = run;
  const found = layout.kind === "heads" ? fromHeads(outputs, run, threshold) : fromOperation(outputs, run, threshold);
  const [high, wide] = about.input.shape;
  const kept = [];
  for (const one of found) {
    requireFinite(one.box);
    const [left, top, right, bottom] = one.box;
    one.whole = [left * wide, top * high, right * wide, bottom * high];
    one.box = toPicture(one.whole, place);
    if (area(one.box) > 0) kept.push(one);
  }
  kept.sort((one, other) => other.score - one.score);
  const stay = layout.kind === "heads" ? suppressed(kept, layout, limit) : kept.slice(0, limit);
  return stay.map(({ index, score, box }) => ({ label: about.labels[index] ?? `class_${index}`, index, score, box }));
}

/** Decodes the boxes of two outputs whose scores reach the threshold. */
function fromHeads(outputs, { layout, outputs: how }, threshold) {
  const { columns, coding } = layout, first = layout.has_background ? 1 : 0;
  const scores = outputs[layout.scores], boxes = outputs[layout.boxes];
  const { scale, zero_point: zero } = how[layout.scores];
  if (!scale) requireFinite(scores);
  const asked = layout.sigmoid ? Math.log(threshold / (1 - threshold)) : threshold;
  const least = scale ? asked / scale + zero : Math.fround(asked);
  let passing = [];
  for (let row = 0, at = 0; at < scores.length; row++, at += columns) {
    const best = layout.across ? bestOf(scores, at + first, at + columns) : -1;
    for (let place = at + first; place < at + columns; place++) {
      if (scores[place] >= least && (best < 0 || place === best)) passing.push({ row, index: place - at - first, stored: scores[place] });
    }
  }
  if (passing.length > CANDIDATES) {
    passing = [...passing].sort((one, other) => other.stored - one.stored).slice(0, CANDIDATES);
    passing.sort((one, other) => one.row - other.row || one.index - other.index);
  }
  const width = boxes.length / (layout.anchors.length / 4);
  return passing.map(({ row, index, stored }) => {
    const [value] = real([stored], how[layout.scores]);
    const coded = real(boxes.subarray(row * width, row * width + 4), how[layout.boxes]);
    requireFinite(coded);
    const score = layout.sigmoid ? Math.fround(1 / (1 + Math.exp(-Math.max(value, -500)))) : value;
    return { index, score, box: decoded(coded, layout.anchors.subarray(row * 4, row * 4 + 4), coding) };
  });
}

function bestOf(scores, start, end) {
  let best = start;
  for (let place = start + 1; place < end; place++) if (scores[place] > scores[best]) best = place;
  return best;
}

/** Left, top, right and bottom as fractions of the input, from four coded numbers and their anchor: y, x, height, width. */
function decoded([down, across, high, wide], [y, x, height, width], coding) {
  let tall = high / coding.height_scale, broad = wide / coding.width_scale;
  if (coding.exponential) (tall = Math.exp(Math.min(tall, 50))), (broad = Math.exp(Math.min(broad, 50)));
  const middleY = (down / coding.y_scale) * height + y, middleX = (across / coding.x_scale) * width + x;
  const halfHigh = (tall * height) / 2, halfWide = (broad * width) / 2;
  return [middleX - halfWide, middleY - halfHigh, middleX + halfWide, middleY + halfHigh];
}

/** Reads the objects of four outputs that are decoded already; what lies beyond their count is garbage. */
function fromOperation(outputs, { layout, outputs: how }, threshold) {
  const [boxes, kinds, scores, count] = ["boxes", "classes", "scores", "count"].map((name) => real(outputs[layout[name]], how[layout[name]]));
  if (!(count[0] >= 0 && count[0] <= scores.length)) throw new Error(`this file gives no answer: it counts ${count[0]} objects of at most ${scores.length}`);
  const found = [];
  for (let at = 0; at < Math.round(count[0]); at++) {
    const [top, left, bottom, right] = boxes.subarray(at * 4, at * 4 + 4), index = Math.round(kinds[at]);
    requireFinite([scores[at], kinds[at]]);
    if (index < 0 || index >= layout.columns) throw new Error(`this file gives no answer: ${kinds[at]} is among its classes, of which there are ${layout.columns}`);
    if (scores[at] >= Math.fround(threshold)) found.push({ index, score: scores[at], box: [left, top, right, bottom] });
  }
  return found;
}

/** A box in pixels of the picture, inside of what the model sees of it. */
function toPicture(box, { seen, placed }) {
  return box.map((value, side) => {
    const axis = side % 2;
    const scale = (seen[axis + 2] - seen[axis]) / (placed[axis + 2] - placed[axis]);
    return Math.min(seen[axis + 2], Math.max(seen[axis], (value - placed[axis]) * scale + seen[axis]));
  });
}

const area = ([left, top, right, bottom]) => Math.max(0, right - left) * Math.max(0, bottom - top);

/** How much two boxes have in common: the intersection over the union, 0..1. */
function overlap(one, other) {
  const wide = Math.min(one[2], other[2]) - Math.max(one[0], other[0]), high = Math.min(one[3], other[3]) - Math.max(one[1], other[1]);
  const common = Math.max(0, wide) * Math.max(0, high), union = area(one) + area(other) - common;
  return union > 0 ? common / union : 0;
}

/** Leaves out each object that a better one of its class overlaps by more than `iou`; `found` is best first. */
function suppressed(found, { iou, across }, limit) {
  const kept = [];
  for (const one of found) {
    if (kept.length >= limit) break;
    if (!kept.some((better) => (across || better.index === one.index) && overlap(better.whole, one.whole) > iou)) kept.push(one);
  }
  return kept;
}
