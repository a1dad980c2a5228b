// A picture's file, or a frame of the camera, as RGBA: upright, on white, its numbers as they are stored.

import { storedSize } from "./pixels.js";

/** Decodes a Blob or a video; returns `{data, width, height, stored}`, see pixels.js. */
export async function decode(source) {
  const stored = source instanceof Blob ? storedSize(new Uint8Array(await source.arrayBuffer())) : null;
  const bitmap = await createImageBitmap(source, { imageOrientation: "from-image", colorSpaceConversion: "none" }).catch(() => {
    throw new Error("this is no picture of a kind that this browser reads; save it as PNG or JPEG");
  });
  const { width, height } = bitmap;
  const canvas = new OffscreenCanvas(width, height), context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  try {
    return { data: context.getImageData(0, 0, width, height).data, width, height, stored };
  } catch {
    throw new Error(`this picture of ${width} × ${height} pixels is too large for this browser; make it smaller`);
  }
}
