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
  const state = {
    slice: slices >> 1, windows: structuredClone(data.windows), compare: false, swipe: false, divider: 0.5,
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

  // ---- panels -----------------------------------------------------------------------------------------
  const image = new ImageData(columns, rows);
  const small = document.createElement("canvas");
  small.width = columns; small.height = rows;
  const aspect = (columns * data.pixel[1]) / (rows * data.pixel[0]);
  const compared = data.volumes.flatMap((v, i) => i > 0 && v.kind === "image" && v.sample === null ? [i] : []);
  const film = data.volumes.filter((v) => v.sample !== null);
  const spread = data.volumes.find((v) => v.kind === "std");
  const planes = threePlanes(data, state, spread, bytesOf);

  // One slice of a volume in its window, and where asked for, over it the uncertainty as colour.
  function paint(volume, coloured) {
    const {values, kind} = volume;
    const [low, high] = state.windows[kind];
    const table = tables[kind], start = state.slice * rows * columns, factor = 255 / (high - low || 1);
    const over = coloured ? spread.values : null;
    const [floor, ceiling] = state.windows.std;
    for (let i = 0; i < rows * columns; i++) {
      const t = 4 * clamp(Math.round((values[start + i] - low) * factor), 0, 255);
      let u = 0, share = 0;
      if (over) {
        u = clamp((over[start + i] - floor) / (ceiling - floor || 1), 0, 1);
        share = state.overlay * clamp(1.5 * (u - 0.15), 0, 1);
        u = 4 * Math.round(255 * u);
      }
      for (let c = 0; c < 3; c++) image.data[4 * i + c] = (1 - share) * table[t + c] + share * tables.std[u + c];
      image.data[4 * i + 3] = 255;
    }
    small.getContext("2d").putImageData(image, 0, 0);
    return small;
  }

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
      this.canvas.onwheel = (e) => {
        e.preventDefault();
        if (e.ctrlKey || e.metaKey) zoom(Math.exp(-e.deltaY / 300), this.at(e)); else move(Math.sign(e.deltaY));
      };
      this.canvas.oncontextmenu = (e) => e.preventDefault();
      this.canvas.onpointerdown = (e) => {
        this.canvas.setPointerCapture(e.pointerId);
        this.drag = [e.clientX, e.clientY];
        const near = Math.abs(this.at(e)[0] - state.divider) * this.place[2] < 14;
        this.act = this.swiped && near ? "divider" : e.button || e.shiftKey ? "pan" : "window";
      };
      this.canvas.onpointerup = this.canvas.onpointercancel = () => { this.drag = null; };
      this.canvas.onpointermove = (e) => {
        if (this.drag) {
          const [x, y] = [e.clientX - this.drag[0], e.clientY - this.drag[1]];
          if (this.act === "divider") divide(this.at(e)[0]);
          else if (this.act === "pan") pan(x / this.place[2], y / this.place[3]);
          else adjust(this.volume.kind, x / 250, y / 250);
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
      if (this.shown === 0 && state.compare) return data.volumes[state.other];
      return this.shown === 0 && state.film >= 0 ? film[state.film] : data.volumes[this.shown];
    }
    // The spread is that of the reconstruction and its samples, of no other image.
    get coloured() { return this.shown === 0 && !state.compare && state.overlay > 0; }
    get swiped() { return state.swipe && this.shown === 0 && !state.compare; }
    // Where the pointer is, as shares of the image.
    at(e) {
      const box = this.canvas.getBoundingClientRect();
      return [(e.clientX - box.left - this.place[0]) / this.place[2], (e.clientY - box.top - this.place[1]) / this.place[3]];
    }
    probe(e) {
      const [x, y] = this.at(e).map((share, i) => Math.floor(share * (i ? rows : columns)));
      this.pointer = x >= 0 && y >= 0 && x < columns && y < rows ? [x, y] : null;
      this.describe();
    }
    describe() {
      const [low, high] = state.windows[this.volume.kind];
      const share = (v) => (100 * v / white).toPrecision(2) + " %";
      const gain = this.volume.kind === "difference" ? `, shown ${(white / high).toPrecision(2)} times brighter` : "";
      this.scale.textContent = ["image", "part"].includes(this.volume.kind)
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
      const {kind} = this.volume;
      const ratio = window.devicePixelRatio || 1;
      const width = this.canvas.clientWidth, height = this.canvas.clientHeight;
      this.canvas.width = width * ratio; this.canvas.height = height * ratio;
      const pen = this.canvas.getContext("2d");
      pen.scale(ratio, ratio);
      pen.imageSmoothingQuality = "high";
      const w = Math.min(width, height * aspect) * state.zoom, h = w / aspect;
      this.place = [width / 2 - state.centre[0] * w, height / 2 - state.centre[1] * h, w, h];
      pen.drawImage(paint(this.volume, this.coloured), ...this.place);
      if (this.swiped) this.split(pen, height);
      this.write(pen, width, height);
      const stops = [0, 0.25, 0.5, 0.75, 1].map((t) => `rgb(${kinds[kind](t).map(Math.round)})`);
      this.bar.style.background = `linear-gradient(to right, ${stops})`;
      this.canvas.setAttribute("aria-label", `${this.volume.name}, slice ${state.slice + 1} of ${slices}`);
      this.describe();
    }
    split(pen, height) {
      const x = this.place[0] + state.divider * this.place[2];
      pen.save();
      pen.beginPath(); pen.rect(0, 0, x, height); pen.clip();
      pen.drawImage(paint(data.volumes[state.other]), ...this.place);
      pen.restore();
      pen.fillStyle = "#8ab4f8"; pen.fillRect(x - 0.75, 0, 1.5, height);
      pen.beginPath(); pen.arc(x, height / 2, 5, 0, 2 * Math.PI); pen.fill();
    }
    write(pen, width, height) {
      const say = (text, x, y, align = "center", colour = "#ddd") => {
        pen.textAlign = align; pen.textBaseline = "middle"; pen.lineWidth = 3; pen.lineJoin = "round"; pen.strokeStyle = "#000";
        pen.strokeText(text, x, y); pen.fillStyle = colour; pen.fillText(text, x, y);
      };
      pen.font = "11px system-ui, sans-serif";
      say("Research only, not for diagnosis", width / 2, height - 9, "center", "#ffb347");
      say(`${state.slice + 1}/${slices}`, width - 6, 10, "right");
      if (this.volume !== data.volumes[this.shown]) say(this.volume.name, 6, 10, "left", "#8ab4f8");
      if (this.swiped) {
        const x = this.place[0] + state.divider * this.place[2];
        say(data.volumes[state.other].name, x - 8, 26, "right", "#8ab4f8");
        say(this.volume.name, x + 8, 26, "left", "#8ab4f8");
      }
      if (this.coloured) say("colour: uncertainty", 6, height - 24, "left", "#ffb347");
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
    // The measured part is read in the window of the image that it is a part of.
    if (kind === "image" || kind === "part") state.windows.image = state.windows.part = state.windows[kind];
    draw();
  }
  function move(step) { state.slice = clamp(state.slice + step, 0, slices - 1); draw(); }
  const press = (id, on) => find(id).setAttribute("aria-pressed", on);
  function compare(on) { state.compare = on && state.other > 0; draw(); }
  function swipe(on) { state.swipe = on && state.other > 0; draw(); }
  function divide(share) { state.divider = clamp(share, 0, 1); draw(); }
  function overlay(share) { state.overlay = spread ? clamp(share, 0, 1) : 0; draw(); }
  // About a place of the image, which keeps still.
  function zoom(factor, [x, y] = state.centre) {
    const before = state.zoom;
    state.zoom = clamp(before * factor, 1, 16);
    const kept = before / state.zoom;
    state.centre = [x + (state.centre[0] - x) * kept, y + (state.centre[1] - y) * kept];
    pan(0, 0);
  }
  function pan(x, y) {
    const reach = 0.5 / state.zoom;
    state.centre = [state.centre[0] - x, state.centre[1] - y].map((v) => clamp(v, reach, 1 - reach));
    draw();
  }
  let timer = 0;
  // The film of samples: opened and closed, played and paused, one picture on or back.
  function show(on) {
    state.film = on && film.length ? Math.max(state.film, 0) : -1;
    play(state.film >= 0);
  }
  function play(on) {
    clearInterval(timer);
    state.playing = on && state.film >= 0;
    if (state.playing) timer = setInterval(() => turn(1), 1000 / Number(find("speed").value));
    draw();
  }
  function turn(step) { state.film = (state.film + step + film.length) % film.length; draw(); }
  function leaf(step) { if (film.length > 1) { show(true); play(false); turn(step); } }
  function reset() { Object.assign(state, {windows: structuredClone(data.windows), zoom: 1, centre: [0.5, 0.5], divider: 0.5}); draw(); }
  function draw() {
    find("slice").value = state.slice + 1;
    find("slice-number").textContent = `${state.slice + 1} of ${slices}`;
    find("state").textContent = `Data residual of this slice: ${data.residual[state.slice]} (1: as the noise)`;
    press("compare", state.compare); press("swipe", state.swipe); press("film", state.film >= 0);
    find("pause").disabled = state.film < 0;
    find("pause").textContent = state.playing || state.film < 0 ? "Pause" : "Play";
    find("overlay").value = state.overlay;
    panels.forEach((p) => { if (p.canvas.clientWidth) p.draw(); });
    planes.show(panels[0].shown === 0 ? panels[0].volume : data.volumes[0]);
  }

  find("panels").style.setProperty("--columns", data.panels.length);
  find("panels").style.setProperty("--aspect", aspect);
  const panels = data.panels.map((index) => new Panel(index));
  find("slice").max = slices;
  find("slice").oninput = (e) => { state.slice = Number(e.target.value) - 1; draw(); };
  find("reset").onclick = reset;
  find("compare").onclick = () => compare(!state.compare);
  find("swipe").onclick = () => swipe(!state.swipe);
  find("film").onclick = () => show(state.film < 0);
  find("pause").onclick = () => play(!state.playing);
  find("speed").oninput = () => { if (state.playing) play(true); };
  find("overlay").oninput = (e) => overlay(Number(e.target.value));
  compared.forEach((i) => find("other").add(new Option(data.volumes[i].name, i)));
  find("other").onchange = (e) => { state.other = Number(e.target.value); e.target.blur(); draw(); };
  document.querySelectorAll("[data-needs]").forEach((element) => {
    element.hidden = !{comparison: compared.length, samples: film.length > 1, spread}[element.dataset.needs];
  });
  const keys = {
    ArrowUp: () => move(-1), ArrowDown: () => move(1), PageUp: () => move(-5), PageDown: () => move(5),
    Home: () => move(-slices), End: () => move(slices),
    ArrowLeft: () => adjust("image", -0.1, 0), ArrowRight: () => adjust("image", 0.1, 0),
    "+": () => adjust("image", 0, -0.04), "=": () => adjust("image", 0, -0.04), "-": () => adjust("image", 0, 0.04),
    r: reset, c: () => compare(!state.compare), s: () => swipe(!state.swipe), f: () => show(state.film < 0),
    p: () => play(!state.playing), ",": () => leaf(-1), ".": () => leaf(1),
    "[": () => divide(state.divider - 0.05), "]": () => divide(state.divider + 0.05),
    u: () => overlay(state.overlay ? 0 : 0.6), z: () => zoom(1.25), x: () => zoom(0.8),
  };
  addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || ["SELECT", "INPUT"].includes(e.target.tagName)) return;
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

  find("three").hidden = !planes.able;
  find("three").onclick = () => {
    const on = find("planes").hidden;
    find("planes").hidden = !on;
    press("three", on);
    draw();
    if (on) find("planes").scrollIntoView({block: "nearest"});
  };
  draw();
  document.body.dataset.ready = "yes";
})();
