// Text and numbers as the page shows them. All text from a server or from files is put in as text, never as HTML, and by `shown`.

const MAX_TEXT = 500; // characters of a label or a name
// Control characters, lone surrogates, and what is invisible or turns the direction of what follows. Joiners and variation
// selectors are left: scripts and emoji need them.
const HIDDEN = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u034f\u115f\u1160\u17b4\u17b5\u2065\u2800\u3164\uffa0]|(?![\u200c\u200d\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2])\p{Cf}/gu;

/** Text as it can be shown: what would not show itself is escaped as \\u{202e}, what is long is cut. */
export function shown(text) {
  const whole = `${text}`, cut = whole.length > MAX_TEXT ? `${whole.slice(0, MAX_TEXT)}…` : whole;
  return cut.replace(HIDDEN, (found) => `\\u{${found.codePointAt(0).toString(16)}}`);
}

export const $ = (id) => document.getElementById(id);
export const seconds = (value) => new Promise((done) => setTimeout(done, value * 1000));
export const number = new Intl.NumberFormat("en");
export const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
export const milliseconds = (value) => `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`;
export const megabytes = (size) => `${(size / 1e6).toFixed(size < 1e7 ? 2 : 0)} MB`;
export const bytes = (size) => (size < 1e3 ? `${size} B` : size < 1e6 ? `${(size / 1e3).toPrecision(3)} kB` : megabytes(size));

export function element(tag, text = "", className = "") {
  const made = document.createElement(tag);
  made.textContent = shown(text);
  made.className = className;
  return made;
}

/** A score as text: a probability in percent, any other number as it is; null is one that is no number. */
export function scoreText(score, areProbabilities) {
  if (score === null) return "–";
  return areProbabilities ? `${(score * 100).toFixed(1)} %` : `${Number(score.toPrecision(4))}`;
}
