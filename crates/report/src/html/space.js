// The address space: a cell for each stretch of it, coloured by which leaves of the account its
// resident bytes belong to.
"use strict";

// In use: cool colours. Kept and used by nobody: warm ones.
const COLOURS = {
  "heap.reachable": ["#3f6fa8", "#5585bf"],
  "heap.objects": ["#3f6fa8", "#5585bf"],
  "heap.garbage": ["#c4572f", "#d8714a"],
  "heap.free_slots": ["#dfae7c", "#b98a5c"],
  "heap.span_tail": ["#e8cfae", "#8f7453"],
  "heap.span_bitmap": ["#8fa9c6", "#6f89a6"],
  "heap.idle": ["#e6b93c", "#d3a52c"],
  "heap.returned_resident": ["#b9993a", "#97803a"],
  "stacks.goroutine": ["#7a62a8", "#8f78bd"],
  "stacks.free": ["#c0b3d8", "#675a80"],
  "stacks.os_thread": ["#a08cc4", "#7d6ba0"],
  "runtime": ["#3d8a86", "#4a9d98"],
  "binary": ["#8a929b", "#727a84"],
  "cgo": ["#5f8f46", "#729f5a"],
  "maps": ["#a3b38f", "#66755a"],
  "sanitizer": ["#c9a0a0", "#7c5f5f"],
  "kernel": ["#b5bac0", "#565d66"],
  "unattributed": ["#d02090", "#e050b0"],
};
const darkness = matchMedia("(prefers-color-scheme: dark)");

function colour(id) {
  const pair = COLOURS[id] || COLOURS[id.split(".")[0]] || COLOURS.unattributed;
  return pair[darkness.matches ? 1 : 0];
}

function drawSpace(space, labels) {
  const regions = space.regions.filter((region) => region.segments.length > 0);
  const readout = byId("cell");
  const rest = "Point at a cell, or walk over them with the arrow keys.";
  let lit = null;
  const drawn = regions.map((region) => drawRegion(region, space, labels, readout, () => lit));
  readout.textContent = rest;
  const redraw = () => drawn.forEach((each) => each());
  new ResizeObserver(redraw).observe(byId("regions"));
  darkness.addEventListener("change", redraw);
  return (leaf) => {
    lit = leaf;
    redraw();
  };
}

// Cells as they are stored are runs of equal ones: how many, then leaf and bytes in turn.
function unpack(region, size) {
  const segments = [];
  for (const segment of region.segments) {
    const cells = [];
    for (const [times, ...parts] of segment.cells) {
      for (let i = 0; i < times; i += 1) cells.push(parts);
    }
    segments.push({ start: BigInt(segment.at), size, cells });
  }
  return segments;
}

// `factor` neighbours as one.
function merged(segments, factor) {
  const all = [];
  segments.forEach((segment, number) => {
    for (let i = 0; i < segment.cells.length; i += factor) {
      const sums = new Map();
      const part = segment.cells.slice(i, i + factor);
      for (const cell of part) {
        for (let j = 0; j < cell.length; j += 2) {
          sums.set(cell[j], (sums.get(cell[j]) || 0) + cell[j + 1]);
        }
      }
      const from = segment.start + BigInt(i) * BigInt(segment.size);
      const len = BigInt(part.length) * BigInt(segment.size);
      all.push({ from, to: from + len, len: Number(len), sums: [...sums].sort((a, b) => a[0] - b[0]) });
    }
    if (number + 1 < segments.length) all.push(null);
  });
  return all;
}

function drawRegion(region, space, labels, readout, litLeaf) {
  const segments = unpack(region, space.cell_bytes);
  const title = el("h3", "", region.label);
  const scale = el("span", "");
  title.append(scale);
  const canvas = el("canvas", "");
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", region.label + ", cells in address order; arrow keys read them");
  byId("regions").append(el("div", "region", title, canvas));
  let layout = { cells: [], columns: 1, pitch: 7 };
  let cursor = -1;

  function draw() {
    const width = Math.max(canvas.clientWidth, 120);
    const pitch = 7;
    const columns = Math.floor(width / pitch);
    const most = 54 * columns;
    let factor = 1;
    let cells = merged(segments, factor);
    while (cells.length > most && factor < 4096) {
      factor *= 2;
      cells = merged(segments, factor);
    }
    layout = { cells, columns, pitch };
    scale.textContent = "a cell is " + bytes(space.cell_bytes * factor);
    const rows = Math.max(Math.ceil(cells.length / columns), 1);
    const ratio = devicePixelRatio || 1;
    canvas.style.height = rows * pitch + "px";
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(rows * pitch * ratio);
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const hollow = getComputedStyle(document.body).getPropertyValue("--hollow");
    cells.forEach((cell, number) => {
      if (!cell) return;
      const x = (number % columns) * pitch;
      const y = Math.floor(number / columns) * pitch;
      paint(pen, cell, x, y, pitch - 1, hollow);
    });
    mark(pen);
  }

  // A cell from the bottom up: what it holds, and above that what is not resident.
  function paint(pen, cell, x, y, side, hollow) {
    pen.fillStyle = hollow;
    pen.globalAlpha = 1;
    pen.fillRect(x, y, side, side);
    let at = y + side;
    for (const [leaf, held] of cell.sums) {
      const id = space.leaves[leaf];
      const height = Math.max((held / cell.len) * side, 0.6);
      const lit = litLeaf();
      pen.globalAlpha = lit && !matches(id, lit) ? 0.14 : 1;
      pen.fillStyle = colour(id);
      at = Math.max(at - height, y);
      pen.fillRect(x, at, side, Math.min(height, side));
    }
    pen.globalAlpha = 1;
  }

  function mark(pen) {
    if (cursor < 0 || !layout.cells[cursor]) return;
    const { columns, pitch } = layout;
    pen.strokeStyle = getComputedStyle(document.body).getPropertyValue("--ink");
    pen.lineWidth = 1.5;
    const x = (cursor % columns) * pitch;
    const y = Math.floor(cursor / columns) * pitch;
    pen.strokeRect(x - 0.25, y - 0.25, pitch - 0.5, pitch - 0.5);
  }

  function tell(number) {
    const cell = layout.cells[number];
    cursor = cell ? number : -1;
    draw();
    if (!cell) return;
    const range = "0x" + cell.from.toString(16) + " to 0x" + cell.to.toString(16);
    const largest = [...cell.sums].sort((a, b) => b[1] - a[1]);
    const parts = largest.map(([leaf, held]) => {
      const id = space.leaves[leaf];
      return (labels.get(id) || id) + " " + bytes(held);
    });
    const resident = cell.sums.reduce((sum, [, held]) => sum + held, 0);
    if (resident < cell.len) parts.push("not in RAM " + bytes(cell.len - resident));
    readout.textContent = harmless(range + ": " + parts.join(", "));
  }

  function at(event) {
    const box = canvas.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left) / layout.pitch);
    const row = Math.floor((event.clientY - box.top) / layout.pitch);
    return column < layout.columns ? row * layout.columns + column : -1;
  }

  canvas.addEventListener("pointermove", (event) => {
    const number = at(event);
    if (number !== cursor) tell(number);
  });
  canvas.addEventListener("pointerdown", (event) => tell(at(event)));
  canvas.addEventListener("pointerleave", () => tell(-1));
  canvas.addEventListener("keydown", (event) => {
    const steps = {
      ArrowRight: 1,
      ArrowLeft: -1,
      ArrowDown: layout.columns,
      ArrowUp: -layout.columns,
    };
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    let next = cursor < 0 ? 0 : cursor + step;
    while (next >= 0 && next < layout.cells.length && !layout.cells[next]) next += Math.sign(step);
    if (next >= 0 && next < layout.cells.length) tell(next);
  });
  canvas.addEventListener("blur", () => tell(-1));
  draw();
  return draw;
}

// Whether a leaf is this one, or one of this group.
function matches(id, wanted) {
  return id === wanted || id.startsWith(wanted + ".");
}
