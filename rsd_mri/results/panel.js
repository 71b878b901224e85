// One panel: its choice of volume, its picture, its window in words, and the pointer on it.
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
  const table = tables[kind], start = offset(volume), factor = 255 / (high - low || 1);
  const over = coloured ? spread.values : null, from = coloured ? offset(spread) : 0;
  const [floor, ceiling] = state.windows.std;
  for (let i = 0; i < rows * columns; i++) {
    const t = 4 * clamp(Math.round((values[start + i] - low) * factor), 0, 255);
    let u = 0, share = 0;
    if (over) {
      u = clamp((over[from + i] - floor) / (ceiling - floor || 1), 0, 1);
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
    this.canvas.tabIndex = 0;
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
    this.canvas.ondblclick = () => this.enlarge();
    find("panels").append(this.figure);
  }
  enlarge() {
    const large = this.figure.classList.toggle("large");
    panels.forEach((p) => { if (p !== this) p.figure.classList.remove("large"); });
    find("panels").classList.toggle("one", large);
    draw();
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
    const seen = this.swiped && this.at(e)[0] < state.divider ? data.volumes[state.other] : this.volume;
    this.pointer = x >= 0 && y >= 0 && x < columns && y < rows ? [x, y, seen] : null;
    this.describe();
  }
  describe() {
    const [low, high] = state.windows[this.volume.kind];
    const share = (v) => (100 * v / white).toPrecision(2) + " %";
    const gain = this.volume.kind === "difference" ? `, shown ${(white / high).toPrecision(2)} times brighter` : "";
    this.scale.textContent = ["image", "part"].includes(this.volume.kind)
      ? `Black ${number(low)}, white ${number(high)}. `
      : `From ${share(low)} to ${share(high)} of white${gain}. `;
    if (this.coloured) this.scale.textContent += `Colour: uncertainty, up to ${share(state.windows.std[1])} of white. `;
    if (this.pointer) {
      const [x, y, seen] = this.pointer;
      this.value.textContent = `[${y}, ${x}] ${number(seen.values[offset(seen) + y * columns + x])}`;
      this.scale.append(this.value);
    }
    this.about.textContent = this.swiped
      ? `Left of the line: ${data.volumes[state.other].name}. Right: ${this.volume.name}.` : this.volume.caption;
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
    const stops = [0, 0.25, 0.5, 0.75, 1].map((t) => `rgb(${kinds[this.coloured ? "std" : kind](t).map(Math.round)})`);
    this.bar.style.background = `linear-gradient(to right, ${stops})`;
    this.canvas.setAttribute("aria-label", `${this.volume.name}, slice ${state.slice + 1} of ${slices}${frames > 1 ? `, frame ${state.frame + 1} of ${frames}` : ""}`);
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
    say("Research use only, not for diagnosis", width / 2, height - 9, "center", "#ffb347");
    say(`${state.zoom > 1 ? `${state.zoom.toFixed(1)}x   ` : ""}${state.slice + 1}/${slices}`, width - 6, 10, "right");
    if (frames > 1) {
      say(`frame ${state.frame + 1}/${frames}`, width - 6, 26, "right");
      say(data.frames[state.frame], 6, height - (this.coloured ? 39 : 24), "left");
    }
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
      const edge = Math.max(this.place[0], 0) + 9;
      say(left, edge, height / 2); say(right, width - edge, height / 2);
      say(top, width / 2, 10); say(bottom, width / 2, height - 24);
    }
  }
}
