// What the reader does: buttons, sliders, keys.
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
// The frames of a movie: one on or back, round and round, and played.
let clock = 0;
function time(step) { state.frame = (state.frame + step + frames) % frames; draw(); }
function run(on) {
  clearInterval(clock);
  state.running = on && frames > 1;
  if (state.running) clock = setInterval(() => time(1), 1000 / Number(find("rate").value));
  draw();
}
function step(by) { run(false); time(by); }
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
  find("state").textContent = `Data residual of this slice: ${data.residual[state.frame][state.slice]} (1: as the noise)`;
  find("frame").value = state.frame + 1;
  find("frame-number").textContent = `${state.frame + 1} of ${frames}`;
  find("run").textContent = state.running ? "Stop" : "Play";
  press("run", state.running);
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
find("frame").max = frames;
find("frame").oninput = (e) => { run(false); state.frame = Number(e.target.value) - 1; draw(); };
find("run").onclick = () => run(!state.running);
// As fast as it was, where that is known and can be shown.
find("rate").value = clamp(Math.round(data.rate || 8), 1, 30);
const told = () => { find("rate-number").textContent = `${find("rate").value} a second`; };
find("rate").oninput = () => { told(); if (state.running) run(true); };
told();
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
  element.hidden = !{comparison: compared.length, samples: film.length > 1, spread, frames: frames > 1}[element.dataset.needs];
});
// The keys of the window act on the panel in focus, else on the image.
const focused = () => panels.find((p) => p.canvas === document.activeElement) || panels[0];
const windowed = (wider, level) => () => adjust(focused().volume.kind, wider, level);
const keys = {
  ArrowUp: () => move(-1), ArrowDown: () => move(1), PageUp: () => move(-5), PageDown: () => move(5),
  Home: () => move(-slices), End: () => move(slices),
  // Of a movie the arrows turn the frames; Q and W always change the width.
  ArrowLeft: frames > 1 ? () => step(-1) : windowed(-0.1, 0), ArrowRight: frames > 1 ? () => step(1) : windowed(0.1, 0),
  q: windowed(-0.1, 0), w: windowed(0.1, 0), m: () => run(!state.running),
  "+": windowed(0, -0.04), "=": windowed(0, -0.04), "-": windowed(0, 0.04),
  r: reset, c: () => compare(!state.compare), s: () => swipe(!state.swipe), f: () => show(state.film < 0),
  p: () => play(!state.playing), ",": () => leaf(-1), ".": () => leaf(1),
  "[": () => divide(state.divider - 0.05), "]": () => divide(state.divider + 0.05),
  u: () => overlay(state.overlay ? 0 : 0.6), z: () => zoom(1.25), x: () => zoom(0.8),
  e: () => focused().enlarge(), t: () => { if (planes.able) find("three").click(); },
};
// By shares of the panel, whatever the zoom.
const by = (x, y) => () => pan(0.1 * x / state.zoom, 0.1 * y / state.zoom);
const shifted = {ArrowLeft: by(1, 0), ArrowRight: by(-1, 0), ArrowUp: by(0, 1), ArrowDown: by(0, -1)};
addEventListener("keydown", (e) => {
  const {tagName} = e.target, deed = (e.shiftKey && shifted[e.key]) || keys[e.key.length === 1 ? e.key.toLowerCase() : e.key];
  // A list keeps all keys to itself, a slider its arrows.
  if (e.ctrlKey || e.metaKey || e.altKey || tagName === "SELECT" || (tagName === "INPUT" && e.key.length > 1)) return;
  if (e.key === " ") {
    if (e.target.tagName === "BUTTON") return;
    e.preventDefault();
    if (!e.repeat) compare(true);
  } else if (deed) {
    e.preventDefault();
    deed();
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
