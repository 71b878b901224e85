// What there is to see: the volumes, their windows and colours, and what the reader has chosen.
const data = JSON.parse(document.getElementById("data").textContent);
const [slices, rows, columns] = data.size;
const find = (id) => document.getElementById(id);
const clamp = (v, low, high) => Math.min(Math.max(v, low), high);

// Gzip NIfTI, 16 bit, with slope and intercept.
const bytesOf = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
async function decode(volume) {
  const stream = new Blob([bytesOf(volume.nifti)]).stream().pipeThrough(new DecompressionStream("gzip"));
  const view = new DataView(await new Response(stream).arrayBuffer());
  const slope = view.getFloat32(112, true), intercept = view.getFloat32(116, true);
  const raw = new Int16Array(view.buffer, view.getFloat32(108, true), volume.frames * slices * rows * columns);
  volume.values = Float32Array.from(raw, (v) => v * slope + intercept);
}
try {
  await Promise.all(data.volumes.filter((v) => v.nifti).map(decode));
  for (const v of data.volumes.filter((v) => v.subtracted !== null)) {
    const other = data.volumes[v.subtracted];
    v.frames = data.volumes[0].frames;
    // What does not move is taken from every frame.
    v.values = data.volumes[0].values.map((value, i) => value - other.values[i % other.values.length]);
  }
} catch (error) {
  find("controls").textContent = "This browser is too old to open the volumes in this page (" + error + ").";
  throw error;
}

const state = {
  slice: slices >> 1, frame: 0, running: false, windows: structuredClone(data.windows), compare: false, swipe: false, divider: 0.5,
  other: data.volumes.findIndex((v, i) => i > 0 && v.kind === "image" && v.sample === null),
  film: -1, playing: false, overlay: 0, zoom: 1, centre: [0.5, 0.5],
};
const kinds = {
  image: (t) => [255 * t, 255 * t, 255 * t],
  std: (t) => [255 * Math.min(1, 1.7 * t), 255 * clamp(1.9 * t - 0.75, 0, 1),
               255 * (t < 0.35 ? 1.3 * t : clamp(0.455 - 1.6 * (t - 0.35), 0, 1) + clamp(4 * (t - 0.85), 0, 0.7))],
  part: (t) => kinds.image(t),
  prior: (t) => kinds.std(t),
  difference: (t) => {
    const d = 2 * t - 1, s = Math.abs(d);
    return d > 0 ? [255 * s, 150 * s, 40 * s * s] : [50 * s * s, 140 * s, 255 * s];
  },
};
const tables = Object.fromEntries(Object.entries(kinds).map(([kind, colour]) => {
  const table = new Uint8ClampedArray(4 * 256);
  for (let i = 0; i < 256; i++) table.set([...colour(i / 255), 255], 4 * i);
  return [kind, table];
}));
const number = (v) => Math.abs(v) >= 1e4 || (v && Math.abs(v) < 1e-2) ? v.toExponential(2) : v.toPrecision(3);
const white = data.windows.image[1];
const frames = data.frames.length;
// Where the slice and the frame seen begin in the values of a volume.
const offset = (volume) => ((volume.frames > 1 ? state.frame : 0) * slices + state.slice) * rows * columns;
