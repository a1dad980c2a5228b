// Loads the compiled code of LiteRT.js from bytes that the page has already: its own loader would ask the network.

let binary = null;

/** Gives the compiled code that `createWasmLib` takes next. */
export function provide(bytes) {
  binary = bytes;
}

/** What LiteRT.js calls: runs the script at an address, and makes its library with the module that it defines. */
export async function createWasmLib(Library, address) {
  const script = document.createElement("script");
  const run = new Promise((done, fail) => {
    script.onload = done;
    script.onerror = () => fail(new Error("the runtime's script does not run in this browser"));
  });
  script.src = address;
  document.body.append(script);
  await run;
  // It reports its progress as errors.
  const module = await self.ModuleFactory({ wasmBinary: binary, print: () => {}, printErr: (line) => console.debug(line) });
  binary = self.ModuleFactory = undefined;
  return new Library(module);
}
