// From what a model puts out to classes with scores, as zoo.tasks.classification does it.

const ROUNDING = 0.01; // how far a probability may be outside of 0..1

/** The real values of stored ones, in 32 bits, as Python computes them. */
export function real(values, { scale, zero_point: zero }) {
  if (!scale) return values;
  return Float32Array.from(values, (value) => Math.fround((value - zero) * scale));
}

/** Finds values that are no numbers. */
export function requireFinite(values) {
  for (const value of values) {
    if (!Number.isFinite(value)) throw new Error(`this file gives no answer: ${value} is among its scores or boxes; look at its weights`);
  }
}

/** The `limit` classes with the best scores, best first, from the only output. */
export function classes([output], { outputs: [how] }, { labels, min_score: least }, { top_k: limit }) {
  let scores = real(output, how);
  requireFinite(scores);
  if (scores.length === 1) scores = bothOf(scores[0]);
  const order = [...scores.keys()].sort((one, other) => scores[other] - scores[one] || one - other).slice(0, limit);
  const found = order.map((index) => ({ label: labels[index], index, score: scores[index] }));
  if (least === null || found[0].score >= least) return found;
  return [{ label: "not sure", index: -1, score: found[0].score }, ...found].slice(0, limit);
}

/** The scores of both classes from that of the second. */
function bothOf(score) {
  if (score < -ROUNDING || score > 1 + ROUNDING) throw new Error(`this file gives a single value, ${score}, which is no probability, so it names no class`);
  return [Math.fround(1 - score), score];
}
