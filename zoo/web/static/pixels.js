// The pixels that a model gets of a picture: those that edgezoo's Python gives it, number for number.
//
// Pillow's bilinear filter, in its whole numbers, to the new width first and then to the new height; see zoo.inputs.scaling. What a
// browser decodes otherwise than Pillow is a JPEG that is far larger than the model: Pillow has it decoded at a half, a quarter or an
// eighth of its size. The mean of as many pixels comes close to that.

const BITS = 22; // of a weight's fraction
const SPARE = 1.5; // a JPEG is decoded to at least this many times the needed width and height

/** Python's `round`: a half goes to the even neighbour. */
function round(value) {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}

/** Which part of a picture a model sees, and where in its input: left, top, right, bottom each; see zoo.inputs.fit. */
export function fit([across, down], [wide, high], policy) {
  if (policy === "crop") {
    const ratio = wide / high;
    const width = Math.min(across, down * ratio), height = Math.min(down, across / ratio);
    const left = (across - width) / 2, top = (down - height) / 2;
    return { seen: [left, top, left + width, top + height], placed: [0, 0, wide, high] };
  }
  const seen = [0, 0, across, down];
  if (policy === "stretch") return { seen, placed: [0, 0, wide, high] };
  const width = Math.max(1, round(Math.min(wide, (high * across) / down)));
  const height = Math.max(1, round(Math.min(high, (wide * down) / across)));
  const left = round((wide - width) / 2), top = round((high - height) / 2);
  return { seen, placed: [left, top, left + width, top + height] };
}

/** For each of `count` new pixels: the first old one that counts, how many do, and their weights as whole numbers. */
function taps(size, from, to, count) {
  const scale = Math.fround(to - from) / count, reach = Math.max(scale, 1);
  const room = 2 * Math.ceil(reach) + 1;
  const first = new Int32Array(count), many = new Int32Array(count), weights = new Int32Array(count * room);
  const shares = new Float64Array(room);
  for (let at = 0; at < count; at++) {
    const middle = from + (at + 0.5) * scale;
    first[at] = Math.max(0, Math.trunc(middle - reach + 0.5));
    many[at] = Math.min(size, Math.trunc(middle + reach + 0.5)) - first[at];
    let sum = 0;
    for (let i = 0; i < many[at]; i++) {
      shares[i] = Math.max(0, 1 - Math.abs((first[at] + i - middle + 0.5) * (1 / reach)));
      sum += shares[i];
    }
    for (let i = 0; i < many[at]; i++) weights[at * room + i] = Math.trunc(0.5 + (shares[i] / sum) * (1 << BITS));
  }
  return { first, many, weights, room };
}

/** Scales an image `{data, width, height, channels}` along one axis to `count` pixels, of which [from, to] are seen. */
function along(image, axis, from, to, count) {
  const { data, width, height, channels } = image;
  const horizontal = axis === "x", size = horizontal ? width : height;
  if (count === size && from === 0 && to === size) return image;
  const { first, many, weights, room } = taps(size, from, to, count);
  const made = { data: new Uint8Array(horizontal ? count * height * channels : width * count * channels), channels };
  made.width = horizontal ? count : width;
  made.height = horizontal ? height : count;
  const step = horizontal ? channels : width * channels;
  let put = 0;
  for (let y = 0; y < made.height; y++) {
    for (let x = 0; x < made.width; x++) {
      const at = horizontal ? x : y;
      const start = horizontal ? (y * width + first[at]) * channels : (first[at] * width + x) * channels;
      for (let c = 0; c < channels; c++) {
        let sum = 1 << (BITS - 1);
        for (let i = 0, p = start + c; i < many[at]; i++, p += step) sum += data[p] * weights[at * room + i];
        made.data[put++] = Math.min(255, sum >> BITS);
      }
    }
  }
  return made;
}

/** Scales the part `seen` of an image to `wide` x `high`. */
export function scaled(image, [wide, high], seen) {
  const [left, top, right, bottom] = seen.map(Math.fround);
  return along(along(image, "x", left, right, wide), "y", top, bottom, high);
}

/** RGBA as an image of three channels, or of one: Pillow's gray. */
function inChannels({ data, width, height }, channels) {
  const made = new Uint8Array(width * height * channels);
  for (let from = 0, to = 0; to < made.length; from += 4) {
    const red = data[from], green = data[from + 1], blue = data[from + 2];
    if (channels === 1) made[to++] = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
    else (made[to++] = red), (made[to++] = green), (made[to++] = blue);
  }
  return { data: made, width, height, channels };
}

/** The mean of each block of `factor` x `factor` pixels of RGBA; the last ones of a row or column may be smaller. */
function reduced({ data, width, height }, factor) {
  const wide = Math.ceil(width / factor), high = Math.ceil(height / factor), made = new Uint8Array(wide * high * 4);
  for (let y = 0, put = 0; y < high; y++) {
    const rows = Math.min(factor, height - y * factor);
    for (let x = 0; x < wide; x++, put += 4) {
      const columns = Math.min(factor, width - x * factor), count = rows * columns;
      let red = 0, green = 0, blue = 0;
      for (let row = 0; row < rows; row++) {
        let from = ((y * factor + row) * width + x * factor) * 4;
        for (let column = 0; column < columns; column++, from += 4) {
          red += data[from];
          green += data[from + 1];
          blue += data[from + 2];
        }
      }
      made[put] = Math.round(red / count);
      made[put + 1] = Math.round(green / count);
      made[put + 2] = Math.round(blue / count);
    }
  }
  return { data: made, width: wide, height: high };
}

/** How many times smaller Pillow has a JPEG of this size (as stored) decoded: 1, 2, 4 or 8. */
export function draft([width, height], [wide, high]) {
  const scale = Math.min(Math.floor(width / Math.ceil(SPARE * wide)), Math.floor(height / Math.ceil(SPARE * high)));
  return [8, 4, 2].find((one) => scale >= one) ?? 1;
}

/** Width and height of a JPEG as it is stored, before it is turned upright; null for any other file. */
export function storedSize(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 4 || view.getUint16(0) !== 0xffd8) return null;
  for (let at = 2; at + 9 < bytes.length && bytes[at] === 0xff; ) {
    const marker = bytes[at + 1];
    if (marker === 0xff) at += 1; // a byte that fills
    else if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) return [view.getUint16(at + 7), view.getUint16(at + 5)];
    else at += 2 + view.getUint16(at + 2);
  }
  return null;
}

/**
 * The pixels of a decoded picture as a model takes them: `wide * high * channels` bytes, row by row.
 *
 * `picture` is RGBA `{data, width, height}`, upright; `input` has `shape` (rows, columns, channels) and `resize`; `stored` is what
 * `storedSize` says of its file.
 */
export function toPixels(picture, input, stored = null) {
  const [high, wide, channels] = input.shape;
  const factor = stored ? draft(stored, [wide, high]) : 1;
  const { seen, placed } = fit([picture.width / factor, picture.height / factor], [wide, high], input.resize);
  const image = inChannels(factor > 1 ? reduced(picture, factor) : picture, channels);
  const [left, top, right, bottom] = placed;
  const inner = scaled(image, [right - left, bottom - top], seen);
  if (inner.width === wide && inner.height === high) return inner.data;
  const padded = new Uint8Array(wide * high * channels);
  for (let y = 0; y < inner.height; y++) {
    const row = inner.data.subarray(y * inner.width * channels, (y + 1) * inner.width * channels);
    padded.set(row, ((top + y) * wide + left) * channels);
  }
  return padded;
}
