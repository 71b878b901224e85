"use strict";
(async () => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const [slices, rows, columns] = data.size;
  const find = (id) => document.getElementById(id);
  const clamp = (v, low, high) => Math.min(Math.max(v, low), high);

  // ---- volumes: gzip NIfTI, 16 bit, with slope and intercept -------------------------------------------
  const bytesOf = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  async function decode(volume) {
    const stream = new Blob([bytesOf(volume.nifti)]).stream().pipeThrough(new DecompressionStream("gzip"));
    const view = new DataView(await new Response(stream).arrayBuffer());
    const slope = view.getFloat32(112, true), intercept = view.getFloat32(116, true);
    const raw = new Int16Array(view.buffer, view.getFloat32(108, true), slices * rows * columns);
    volume.values = Float32Array.from(raw, (v) => v * slope + intercept);
  }
  try {
    await Promise.all(data.volumes.filter((v) => v.nifti).map(decode));
    for (const v of data.volumes.filter((v) => v.subtracted !== null)) {
      const other = data.volumes[v.subtracted].values;
      v.values = data.volumes[0].values.map((value, i) => value - other[i]);
    }
  } catch (error) {
    find("controls").textContent = "This browser is too old to open the volumes in this page (" + error + ").";
    return;
  }

  // ---- state ------------------------------------------------------------------------------------------
  const state = {slice: slices >> 1, windows: structuredClone(data.windows), compare: false};
  const kinds = {
    image: (t) => [255 * t, 255 * t, 255 * t],
    std: (t) => [255 * Math.min(1, 1.7 * t), 255 * clamp(1.9 * t - 0.75, 0, 1),
                 255 * (t < 0.35 ? 1.3 * t : clamp(0.455 - 1.6 * (t - 0.35), 0, 1) + clamp(4 * (t - 0.85), 0, 0.7))],
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

  // ---- panels -----------------------------------------------------------------------------------------
  const image = new ImageData(columns, rows);
  const small = document.createElement("canvas");
  small.width = columns; small.height = rows;
  const aspect = (columns * data.pixel[1]) / (rows * data.pixel[0]);
  const other = data.volumes.findIndex((v, i) => i > 0 && v.kind === "image");

  class Panel {
    constructor(index) {
      this.shown = index;
      this.figure = document.createElement("figure");
      this.select = document.createElement("select");
      this.select.setAttribute("aria-label", "Volume in this panel");
      data.volumes.forEach((v, i) => this.select.add(new Option(v.name, i, false, i === index)));
      this.canvas = document.createElement("canvas");
      this.canvas.setAttribute("role", "img");
      this.caption = document.createElement("figcaption");
      this.bar = document.createElement("div");
      this.bar.className = "bar";
      this.scale = document.createElement("div");
      this.value = document.createElement("span");
      this.value.className = "value";
      this.about = document.createElement("div");
      this.caption.append(this.bar, this.scale, this.about);
      this.figure.append(this.select, this.canvas, this.caption);
      this.select.onchange = () => { this.shown = Number(this.select.value); this.select.blur(); draw(); };
      this.canvas.onwheel = (e) => { e.preventDefault(); move(Math.sign(e.deltaY)); };
      this.canvas.onpointerdown = (e) => { this.canvas.setPointerCapture(e.pointerId); this.drag = [e.clientX, e.clientY]; };
      this.canvas.onpointerup = this.canvas.onpointercancel = () => { this.drag = null; };
      this.canvas.onpointermove = (e) => {
        if (this.drag) {
          adjust(this.volume.kind, (e.clientX - this.drag[0]) / 250, (e.clientY - this.drag[1]) / 250);
          this.drag = [e.clientX, e.clientY];
        }
        this.probe(e);
      };
      this.canvas.onpointerleave = () => { this.pointer = null; this.describe(); };
      this.canvas.ondblclick = () => {
        const large = this.figure.classList.toggle("large");
        panels.forEach((p) => { if (p !== this) p.figure.classList.remove("large"); });
        find("panels").classList.toggle("one", large);
        draw();
      };
      find("panels").append(this.figure);
    }
    get volume() {
      const swapped = state.compare && this.shown === 0 && other > 0 ? other : this.shown;
      return data.volumes[swapped];
    }
    probe(e) {
      const box = this.canvas.getBoundingClientRect();
      const x = Math.floor(((e.clientX - box.left - this.place[0]) / this.place[2]) * columns);
      const y = Math.floor(((e.clientY - box.top - this.place[1]) / this.place[3]) * rows);
      this.pointer = x >= 0 && y >= 0 && x < columns && y < rows ? [x, y] : null;
      this.describe();
    }
    describe() {
      const [low, high] = state.windows[this.volume.kind];
      const share = (v) => (100 * v / white).toPrecision(2) + " %";
      const gain = this.volume.kind === "difference" ? `, shown ${(white / high).toPrecision(2)} times brighter` : "";
      this.scale.textContent = this.volume.kind === "image"
        ? `Black ${number(low)}, white ${number(high)} `
        : `From ${share(low)} to ${share(high)} of white${gain} `;
      if (this.pointer) {
        const [x, y] = this.pointer;
        this.value.textContent = `[${y}, ${x}] ${number(this.volume.values[(state.slice * rows + y) * columns + x])}`;
        this.scale.append(this.value);
      }
      this.about.textContent = this.volume.caption;
    }
    draw() {
      const {values, kind} = this.volume;
      const [low, high] = state.windows[kind];
      const table = tables[kind], start = state.slice * rows * columns, factor = 255 / (high - low || 1);
      for (let i = 0; i < rows * columns; i++) {
        const t = 4 * clamp(Math.round((values[start + i] - low) * factor), 0, 255);
        image.data[4 * i] = table[t]; image.data[4 * i + 1] = table[t + 1];
        image.data[4 * i + 2] = table[t + 2]; image.data[4 * i + 3] = 255;
      }
      small.getContext("2d").putImageData(image, 0, 0);
      const ratio = window.devicePixelRatio || 1;
      const width = this.canvas.clientWidth, height = this.canvas.clientHeight;
      this.canvas.width = width * ratio; this.canvas.height = height * ratio;
      const pen = this.canvas.getContext("2d");
      pen.scale(ratio, ratio);
      pen.imageSmoothingQuality = "high";
      const w = Math.min(width, height * aspect), h = w / aspect;
      this.place = [(width - w) / 2, (height - h) / 2, w, h];
      pen.drawImage(small, ...this.place);
      this.write(pen, width, height);
      const stops = [0, 0.25, 0.5, 0.75, 1].map((t) => `rgb(${kinds[kind](t).map(Math.round)})`);
      this.bar.style.background = `linear-gradient(to right, ${stops})`;
      const swapped = this.volume !== data.volumes[this.shown] ? " (comparison)" : "";
      this.canvas.setAttribute("aria-label", `${this.volume.name}${swapped}, slice ${state.slice + 1} of ${slices}`);
      this.describe();
    }
    write(pen, width, height) {
      const say = (text, x, y, align = "center", colour = "#ddd") => {
        pen.textAlign = align; pen.textBaseline = "middle"; pen.lineWidth = 3; pen.strokeStyle = "#000";
        pen.strokeText(text, x, y); pen.fillStyle = colour; pen.fillText(text, x, y);
      };
      pen.font = "11px system-ui, sans-serif";
      say("Research only, not for diagnosis", width / 2, height - 9, "center", "#ffb347");
      say(`${state.slice + 1}/${slices}`, width - 6, 10, "right");
      if (this.volume !== data.volumes[this.shown]) say(this.volume.name, 6, 10, "left", "#8ab4f8");
      if (data.letters) {
        pen.font = "bold 13px system-ui, sans-serif";
        const [left, right, top, bottom] = data.letters;
        say(left, 9, height / 2); say(right, width - 9, height / 2);
        say(top, width / 2, 10); say(bottom, width / 2, height - 24);
      }
    }
  }

  // ---- acts -------------------------------------------------------------------------------------------
  function adjust(kind, wider, level) {
    const [low, high] = state.windows[kind];
    const least = 1e-3 * (data.windows[kind][1] - data.windows[kind][0]);
    if (kind === "difference") {
      const half = Math.max(high * Math.exp(wider), least);
      state.windows[kind] = [-half, half];
    } else {
      const width = Math.max((high - low) * Math.exp(wider), least);
      const centre = (low + high) / 2 + level * (high - low);
      state.windows[kind] = [centre - width / 2, centre + width / 2];
    }
    draw();
  }
  function move(step) { state.slice = clamp(state.slice + step, 0, slices - 1); draw(); }
  function compare(on) {
    state.compare = on && other > 0;
    find("compare").setAttribute("aria-pressed", state.compare);
    draw();
  }
  function draw() {
    find("slice").value = state.slice + 1;
    find("slice-number").textContent = `${state.slice + 1} of ${slices}`;
    find("state").textContent = `Data residual of this slice: ${data.residual[state.slice]} (1: as the noise)`;
    panels.forEach((p) => { if (p.canvas.clientWidth) p.draw(); });
  }

  find("panels").style.setProperty("--columns", data.panels.length);
  find("panels").style.setProperty("--aspect", aspect);
  const panels = data.panels.map((index) => new Panel(index));
  find("slice").max = slices;
  find("slice").oninput = (e) => { state.slice = Number(e.target.value) - 1; draw(); };
  find("reset").onclick = () => { state.windows = structuredClone(data.windows); draw(); };
  find("compare").onclick = () => compare(!state.compare);
  find("compare").hidden = other < 0;
  const keys = {
    ArrowUp: () => move(-1), ArrowDown: () => move(1), PageUp: () => move(-5), PageDown: () => move(5),
    Home: () => move(-slices), End: () => move(slices),
    ArrowLeft: () => adjust("image", -0.1, 0), ArrowRight: () => adjust("image", 0.1, 0),
    "+": () => adjust("image", 0, -0.04), "=": () => adjust("image", 0, -0.04), "-": () => adjust("image", 0, 0.04),
    r: () => find("reset").click(), c: () => compare(!state.compare),
  };
  addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.tagName === "SELECT") return;
    if (e.key === " ") {
      if (e.target.tagName === "BUTTON") return;
      e.preventDefault();
      if (!e.repeat) compare(true);
    } else if (keys[e.key]) {
      e.preventDefault();
      keys[e.key]();
    }
  });
  addEventListener("keyup", (e) => { if (e.key === " " && e.target.tagName !== "BUTTON") compare(false); });
  addEventListener("resize", draw);

  // ---- three planes: NiiVue, where the page carries it and the browser has WebGL ------------------------
  const source = find("niivue").textContent;
  const webgl = document.createElement("canvas").getContext("webgl2");
  if (source && webgl && slices > 1) {
    find("three").hidden = false;
    let viewer = null;
    find("three").onclick = async () => {
      const on = find("planes").hidden;
      find("planes").hidden = !on;
      find("three").setAttribute("aria-pressed", on);
      if (!on || viewer) return;
      const script = document.createElement("script");
      script.textContent = source;
      document.head.append(script);
      viewer = new niivue.Niivue({
        backColor: [0, 0, 0, 1], isOrientationTextVisible: data.letters !== null, isRadiologicalConvention: true,
        dragAndDropEnabled: false, crosshairWidth: 0.5, crosshairColor: [0.5, 0.7, 1, 0.6],
        multiplanarLayout: niivue.MULTIPLANAR_TYPE.ROW, multiplanarShowRender: niivue.SHOW_RENDER.NEVER,
      });
      await viewer.attachTo("gl");
      const file = new File([bytesOf(data.volumes[0].nifti)], "image.nii.gz");
      const [low, high] = state.windows.image;
      const volume = await niivue.NVImage.loadFromFile({file, name: "image.nii.gz", cal_min: low, cal_max: high});
      viewer.addVolume(volume);
      viewer.setSliceType(viewer.sliceTypeMultiplanar);
      find("planes").dataset.ready = "yes";
    };
  }
  draw();
  document.body.dataset.ready = "yes";
})();
