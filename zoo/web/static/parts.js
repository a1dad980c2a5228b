// The parts of the page that are no code: in one file they stand in it, packed; of a site they are files beside the page.

/** Whether all is in this file. */
export const isOneFile = document.getElementById("about").dataset.form === "file";
const FILES = { model: "model.tflite", glue: "runtime.js", wasm: "runtime.wasm" };

/** What there is to know of the model. */
export const about = () => JSON.parse(document.getElementById("about").textContent);

/** The bytes of a part. */
export async function part(name) {
  if (isOneFile) {
    return unpacked(document.getElementById(`part-${name}`)).catch(() => {
      throw new Error("This file is damaged, or did not come whole; copy it again");
    });
  }
  let answer;
  try {
    answer = await fetch(FILES[name]);
  } catch {
    const way = location.protocol === "file:" ? "a folder has to be served, for example by: python -m http.server" : "is there a network?";
    throw Object.assign(new Error(`${FILES[name]} cannot be loaded; ${way}`), { retry: location.protocol !== "file:" });
  }
  if (!answer.ok) throw new Error(`${FILES[name]} cannot be loaded: the server says ${answer.status}`);
  return new Uint8Array(await answer.arrayBuffer());
}

async function unpacked(place) {
  const packed = Uint8Array.from(atob(place.textContent), (letter) => letter.charCodeAt(0));
  place.remove(); // it takes as much memory again
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
