// Cuts in three planes by NiiVue, where the page carries it and the browser has WebGL: the image of the first panel
// (comparison and film included) in its window, and over it the uncertainty.
function threePlanes(data, state, spread, bytesOf) {
  const find = (id) => document.getElementById(id);
  const source = find("niivue").textContent;
  const able = source && data.size[0] > 1 && document.createElement("canvas").getContext("webgl2");
  const opened = new Map();
  let viewer = null, turn = Promise.resolve();

  async function open() {
    const script = document.createElement("script");
    script.textContent = source;
    document.head.append(script);
    viewer = new niivue.Niivue({
      backColor: [0, 0, 0, 1], isOrientationTextVisible: data.letters !== null, isRadiologicalConvention: true,
      dragAndDropEnabled: false, crosshairWidth: 0.5, crosshairColor: [0.5, 0.7, 1, 0.6],
      multiplanarLayout: niivue.MULTIPLANAR_TYPE.ROW, multiplanarShowRender: niivue.SHOW_RENDER.NEVER,
    });
    await viewer.attachTo("gl");
    viewer.setSliceType(viewer.sliceTypeMultiplanar);
  }
  async function load(volume, colormap) {
    if (!opened.has(volume)) {
      const file = new File([bytesOf(volume.nifti)], "image.nii.gz");
      opened.set(volume, await niivue.NVImage.loadFromFile({file, name: "image.nii.gz", colormap}));
    }
    return opened.get(volume);
  }
  async function show(volume) {
    if (find("planes").hidden) return;
    if (!viewer) await open();
    const layers = [[await load(volume, "gray"), state.windows.image, 1]];
    if (spread && state.overlay > 0) {
      const layer = await load(spread, "inferno");
      layer.colormapType = 2; // translucent below the window; the bundle does not export the constant's name
      const [low, high] = state.windows.std;
      layers.push([layer, [low + 0.8 * (high - low), high], state.overlay]);
    }
    for (const [layer, [low, high], opacity] of layers) Object.assign(layer, {cal_min: low, cal_max: high, opacity, frame4D: Math.min(state.frame, layer.nFrame4D - 1)});
    viewer.volumes = layers.map(([layer]) => layer);
    viewer.back = viewer.volumes[0];
    viewer.overlays = viewer.volumes.slice(1);
    viewer.updateGLVolume();
    find("planes-name").textContent = volume.name + (layers.length > 1 ? ", colour: uncertainty" : "");
    find("planes").dataset.ready = "yes";
  }
  return {
    able: Boolean(able),
    /** Show a volume with a file of its own; calls wait for each other. */
    show(volume) { if (able && volume.nifti) turn = turn.then(() => show(volume)); return turn; },
  };
}
