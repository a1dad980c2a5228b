// What the page shows of a file that finds objects: boxes over the picture, how many there are of each class,
// a threshold, and a list beside the picture. page.js opens it for such files only, and hands it what both need.

const SVG = "http://www.w3.org/2000/svg";
const LEAST = 0.05; // the score above which the engine is asked for everything, so that the threshold needs no new answer
const MOST = 100; // objects asked for
const LETTERS = 13; // height in pixels of the screen
const LONGEST = 32; // characters of a name on a box; the list has all of it
const GOLDEN = 0.618034;

/**
 * Prepares the page for objects, and returns how it asks for them and shows them.
 *
 * `model` is what is known of the file; `page` has `element` and `shown` for text, `scoreText`, and `changed`, which is
 * called when the threshold is another.
 */
export function openBoxes(model, page) {
  const parts = build(model, page);
  const least = Math.min(LEAST, model.threshold);
  let answer = null, note = "No picture yet."; // said where there is no answer

  const counted = (found) => found.predictions.filter(({ score }) => score >= Number(parts.threshold.value));

  function place() {
    parts.boxes.replaceChildren();
    if (answer && parts.stage.clientWidth) drawBoxes(parts, answer.picture, counted(answer), page.shown);
  }

  function update() {
    parts.percent.textContent = percent(Number(parts.threshold.value));
    parts.threshold.setAttribute("aria-valuetext", parts.percent.textContent);
    const found = answer ? counted(answer) : [];
    showCounts(parts, answer ? found : null, note, page.element);
    parts.list.replaceChildren(...found.map((one, i) => listItem(parts, one, i, page)));
    parts.scroll.hidden = !found.length;
    place();
  }

  parts.threshold.oninput = () => {
    update();
    page.changed();
  };
  update();
  return {
    query: () => ({ threshold: least, limit: MOST }),
    caption: (found) => inWords(counted(found)),
    place,
    show(found) {
      answer = found;
      note = "";
      update();
    },
    clear() {
      answer = null;
      update();
    },
  };
}

/** Adds what objects need to the page, and hides what classes need. */
function build(model, { element }) {
  const id = (name) => document.getElementById(name);
  const stage = id("stage"), bars = id("bars"), heading = bars.parentElement.querySelector("h2");
  heading.firstChild.textContent = "Objects ";
  heading.querySelector(".top").hidden = bars.hidden = true;
  id("picture").alt = "The picture in which objects are looked for";

  const boxes = document.createElementNS(SVG, "svg");
  boxes.id = "boxes";
  boxes.setAttribute("aria-hidden", "true"); // the list says the same in words
  stage.insertBefore(boxes, id("hint"));

  const line = element("label", "", "threshold"), threshold = element("input"), percentage = element("output");
  Object.assign(threshold, { id: "threshold", type: "range", min: "0", max: "1", step: "0.01" });
  threshold.min = String(Math.min(LEAST, model.threshold));
  threshold.value = String(model.threshold);
  percentage.id = "threshold-value";
  line.append(element("span", "Threshold"), threshold, percentage);

  const status = element("div", "", "found"), total = element("p", "", "total"), counts = element("ul", "", "counts");
  status.setAttribute("role", "status");
  status.setAttribute("aria-atomic", "true");
  total.id = "found";
  counts.id = "counts";
  status.append(total, counts);

  const scroll = element("div", "", "objects"), list = element("ol");
  list.id = "objects";
  scroll.tabIndex = 0; // so that the arrow keys can scroll it
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", "Objects: class, score, left, top, right and bottom in pixels");
  scroll.append(list);
  bars.before(line, status, scroll);
  return { stage, boxes, threshold, percent: percentage, total, counts, scroll, list };
}

/** The number of objects, and of each class; not written anew where it is the same, because it is read out. */
function showCounts(parts, found, note, element) {
  const whole = found?.length ? `${found.length} ${found.length === 1 ? "object" : "objects"}` : "Nothing found at this threshold.";
  const total = found ? whole : note;
  const groups = found ? byClass(found) : [];
  const text = [total, ...groups.map(({ label, count }) => `${count} ${label}`)].join("\n");
  if (parts.counts.dataset.text === text) return;
  parts.counts.dataset.text = text;
  parts.total.textContent = total;
  parts.counts.replaceChildren(...groups.map(({ label, index, count }) => {
    const item = element("li"), swatch = element("i");
    swatch.style.background = colour(index);
    item.append(swatch, element("span", `${count} ${label}`));
    return item;
  }));
}

function listItem({ boxes }, { label, index, score, box }, i, { element, scoreText }) {
  const item = element("li"), swatch = element("i");
  swatch.style.background = colour(index);
  const [left, top, right, bottom] = box.map(Math.round);
  item.append(swatch, element("span", label, "label"), element("span", scoreText(score), "score"));
  item.append(element("span", `${left}, ${top} to ${right}, ${bottom}`, "where"));
  for (const [kind, marked] of [["pointerenter", true], ["pointerleave", false]]) {
    item.addEventListener(kind, () => boxes.querySelector(`[data-place="${i}"]`)?.classList.toggle("marked", marked));
  }
  return item;
}

/** Draws boxes in pixels of the picture, which lies in the stage as large as it can be; letters keep their size. */
function drawBoxes({ stage, boxes }, [width, height], found, shown) {
  boxes.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const unit = 1 / Math.min(stage.clientWidth / width, stage.clientHeight / height); // a pixel of the screen
  const groups = found.map(({ label, index, score, box }, i) => {
    const [left, top, right, bottom] = box;
    const group = svg("g", { "data-place": i });
    const frame = { x: left, y: top, width: right - left, height: bottom - top };
    // A dark line around the bright one, so that a box is seen on any ground.
    group.append(svg("rect", { ...frame, class: "edge" }), svg("rect", { ...frame, class: "line" }));
    group.lastChild.style.stroke = colour(index);
    const plate = svg("rect", { class: "plate" }), text = svg("text", { "font-size": LETTERS * unit });
    plate.style.fill = colour(index);
    text.style.fill = isBright(index) ? "#000" : "#fff";
    const name = shown(label), short = [...name].slice(0, LONGEST - 1).join("");
    text.textContent = `${name.length > LONGEST ? `${short}…` : name} ${percent(score)}`;
    group.append(plate, text);
    return group;
  });
  boxes.replaceChildren(...groups.reverse()); // the best one is on top
  // All sizes are read before anything is moved, so that the page is laid out once.
  const sizes = groups.map((group) => group.lastChild.getComputedTextLength());
  groups.forEach((group, i) => placeName(group, sizes[i], unit, width));
}

/** Puts a name above its box, or inside where there is no room above, and nowhere beyond the picture. */
function placeName(group, length, unit, width) {
  const [box, , plate, text] = group.children;
  const pad = 4 * unit, wide = length + 2 * pad, high = (LETTERS + 6) * unit;
  const x = Math.max(0, Math.min(Number(box.getAttribute("x")), width - wide));
  const y = Number(box.getAttribute("y")), top = y >= high ? y - high : y;
  set(plate, { x, y: top, width: wide, height: high });
  set(text, { x: x + pad, y: top + (LETTERS + 1) * unit });
}

function svg(tag, attributes) {
  return set(document.createElementNS(SVG, tag), attributes);
}

function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

/** The classes that were found, in the order of the file's labels, so that they keep their places from frame to frame. */
function byClass(found) {
  const groups = new Map();
  for (const { label, index } of found) {
    const group = groups.get(index) ?? groups.set(index, { label, index, count: 0 }).get(index);
    group.count += 1;
  }
  return [...groups.values()].sort((one, other) => one.index - other.index);
}

const inWords = (found) => byClass(found).map(({ label, count }) => `${count} ${label}`).join(", ") || "nothing found";
const percent = (share) => `${(share * 100).toFixed(0)} %`;

/** The colour of a class, 0..255: that of `zoo run --draw`, far from those of the classes beside it. */
function channels(index) {
  const hue = 6 * ((index * GOLDEN) % 1);
  return [5, 3, 1].map((start) => {
    const at = (start + hue) % 6;
    return Math.round(255 * 0.95 * (1 - 0.85 * Math.max(0, Math.min(at, 4 - at, 1))));
  });
}

const colour = (index) => `rgb(${channels(index).join(" ")})`;

function isBright(index) {
  const [red, green, blue] = channels(index);
  return 0.299 * red + 0.587 * green + 0.114 * blue > 128;
}
