// Who holds the heap, as areas: a tile is what would be garbage without its holder, the tiles in
// it what the holder dominates directly.
"use strict";

const KINDS = {
  heap: "all that is reachable",
  variable: "variable",
  goroutines: "goroutines",
  several: "more than one root",
  finalizer: "finalizer",
  guess: "a word that may be no pointer",
  object: "object",
  rest: "not listed one by one",
};
const SEVERAL = "Each of these is led to by two roots or more: it goes when the last of them is gone. What they are is listed below; letgo heap with --path tells all the ways to one of them.";
// Levels of tiles within tiles that are drawn at once, and the least that is worth a tile.
const LEVELS = 4;
// What holds nearly all of what is around it is a frame and takes no level.
const FRAME = 0.9;
const LEAST = 9;
const MOST_TILES = 900;

class Tiles {
  constructor(root) {
    this.root = root;
    this.all = [];
    this.prepare(root, null, null);
    this.view = root;
    this.chosen = root;
    this.box = byId("tiles");
    this.box.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe(this.box);
    this.show(root);
  }

  // Each node knows what is above it, what colours it, and what is in it beside its children.
  prepare(node, above, hue) {
    node.above = above;
    node.hue = node.kind === "object" || node.kind === "rest" ? hue : node.kind;
    node.hue = node.hue || "several";
    node.in = node.in || [];
    this.all.push(node);
    for (const child of node.in) this.prepare(child, node, node === this.root ? null : node.hue);
  }

  show(node) {
    this.view = node.in.length > 0 ? node : node.above || node;
    this.chosen = node;
    this.draw();
    this.crumbs();
    tellNode(this, node);
  }

  choose(node, focus) {
    this.chosen = node;
    for (const [each, tile] of this.drawn) tile.classList.toggle("chosen", each === node);
    if (focus && this.drawn.get(node)) this.drawn.get(node).focus();
    tellNode(this, node);
  }

  look(node) {
    if (node.in.length > 0) {
      this.view = node;
      this.choose(node, false);
      this.draw();
      this.crumbs();
      const first = this.drawn.get(node.in[0]);
      if (first) first.focus();
    }
  }

  // Shows a tile wherever it is.
  reveal(node) {
    this.view = node.above || node;
    this.draw();
    this.crumbs();
    this.choose(node, true);
    if (!this.drawn.has(node)) this.box.scrollIntoView({ block: "nearest" });
  }

  back() {
    if (!this.view.above) return;
    const was = this.view;
    this.view = was.above;
    this.draw();
    this.crumbs();
    this.choose(was, true);
  }

  crumbs() {
    const place = byId("crumbs");
    place.replaceChildren();
    wayTo(this.view).forEach((node, index, way) => {
      if (index > 0) place.append(el("span", "", "›"));
      const crumb = el("button", "", label(node));
      crumb.type = "button";
      if (index + 1 === way.length) crumb.setAttribute("aria-current", "location");
      crumb.addEventListener("click", () => this.show(node));
      place.append(crumb);
    });
  }

  draw() {
    const width = this.box.clientWidth;
    const height = this.box.clientHeight;
    const had = this.box.contains(document.activeElement) ? this.chosen : null;
    this.drawn = new Map();
    this.places = new Map();
    const made = document.createDocumentFragment();
    this.fill(this.view, { x: 0, y: 0, w: width, h: height }, 0, 0, made);
    this.box.replaceChildren(made);
    if (had && this.drawn.get(had)) this.drawn.get(had).focus();
  }

  fill(node, place, depth, level, made) {
    for (const [child, part] of squarified(node.in, place)) {
      if (part.w < LEAST || part.h < LEAST || this.drawn.size >= MOST_TILES) continue;
      made.append(this.tile(child, part, depth));
      const head = part.h > 44 && part.w > 40 ? 20 : 0;
      const inner = { x: part.x + 3, y: part.y + head, w: part.w - 6, h: part.h - head - 3 };
      const room = head > 0 && inner.w > 18 && inner.h > 18;
      const next = child.bytes > FRAME * node.bytes ? level : level + 1;
      if (room && next < LEVELS && child.in.length > 0) {
        // What it holds beside its children stays visible as its own colour.
        const held = child.in.reduce((sum, each) => sum + each.bytes, 0);
        const share = Math.min(held / Math.max(child.bytes, 1), 1);
        const part = inner.w > inner.h ? { ...inner, w: inner.w * share } : { ...inner, h: inner.h * share };
        this.fill(child, share > 0.97 ? inner : part, depth + 1, next, made);
      }
    }
  }

  tile(node, place, depth) {
    const tile = el("button", "tile " + node.hue + (node.kind !== "rest" ? "" : node.name ? " many" : " rest"));
    tile.type = "button";
    tile.style.left = place.x + "px";
    tile.style.top = place.y + "px";
    tile.style.width = Math.max(place.w - 1, 1) + "px";
    tile.style.height = Math.max(place.h - 1, 1) + "px";
    tile.style.setProperty("--deep", Math.min(depth, LEVELS));
    tile.classList.toggle("chosen", node === this.chosen);
    tile.setAttribute("aria-label", harmless(label(node) + ", retains " + bytes(node.bytes)));
    tile.title = [label(node), bytes(node.bytes), ...more(node)].map(harmless).join("\n");
    tile.tabIndex = this.drawn.size === 0 ? 0 : -1;
    if (place.w > 34 && place.h > 18) tile.append(...this.words(node, place));
    tile.addEventListener("click", (event) => {
      event.stopPropagation();
      if (this.chosen === node && node.in.length > 0) this.look(node);
      else this.choose(node, false);
    });
    this.drawn.set(node, tile);
    this.places.set(node, place);
    return tile;
  }

  // What a tile says of itself: its name, cut where that leaves enough of it, and its size, which is
  // never cut.
  words(node, place) {
    const room = place.w - 16;
    const flat = node.in.length > 0 || place.h < 36;
    const size = bytes(node.bytes);
    const [name, width] = fitting(node, room);
    const made = [];
    if (name) made.push(el("span", "name", name));
    if (name && flat && width + 8 + textWidth(size, false) <= room) made[0].append(el("em", "", size));
    if (!flat && textWidth(size, false) <= room) made.push(el("span", "size", size));
    return made;
  }

  key(event) {
    const node = this.focused();
    const way = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
    if (way && node) {
      event.preventDefault();
      const next = this.beside(node, way);
      if (next) this.choose(next, true);
    } else if (event.key === "Enter" && node) {
      event.preventDefault();
      this.choose(node, false);
      this.look(node);
    } else if (event.key === "Escape" || event.key === "Backspace") {
      event.preventDefault();
      this.back();
    }
  }

  focused() {
    for (const [node, tile] of this.drawn) if (tile === document.activeElement) return node;
    return null;
  }

  // The nearest tile in a direction, of those that are no part of this one.
  beside(node, [x, y]) {
    const own = this.places.get(node);
    const centre = (place) => [place.x + place.w / 2, place.y + Math.min(place.h / 2, 12)];
    const from = centre(own);
    let best = null;
    let least = Infinity;
    for (const [other, place] of this.places) {
      const to = centre(place);
      const ahead = (to[0] - from[0]) * x + (to[1] - from[1]) * y;
      const aside = Math.abs((to[0] - from[0]) * y) + Math.abs((to[1] - from[1]) * x);
      const far = ahead + aside * 2;
      if (other !== node && ahead > 1 && far < least) [best, least] = [other, far];
    }
    return best;
  }
}

const pen = document.createElement("canvas").getContext("2d");

// Pixels that a tile's text takes.
function textWidth(text, bold) {
  pen.font = (bold ? "600 12.5px " : "400 12.5px ") + getComputedStyle(document.body).fontFamily;
  return pen.measureText(text).width;
}

// As much of a tile's name as there is room for, with its width: without its size, without paths
// of packages, without the package; else its start, if that still says something. No number is
// cut in two.
function fitting(node, room) {
  const full = harmless(label(node));
  const plain = harmless(node.name || node.kind === "rest" ? full : node.type || "object");
  const short = plain.replace(/([\w.~%-]+\/)+/g, "");
  const bare = short.replace(/^\w+\.(?=[\w.()*]+$)/, "");
  for (const text of [full, plain, short, bare]) {
    const width = textWidth(text, true);
    if (width <= room) return [text, width];
  }
  let cut = bare;
  while (cut && textWidth(cut + "…", true) > room) cut = cut.slice(0, -1);
  if (/\d/.test(bare[cut.length])) cut = cut.replace(/[\d,.]+$/, "");
  const says = cut.replace(/^[\d,.]+ × /, "").trim();
  return says.length < 4 ? ["", 0] : [cut + "…", room];
}

// Areas by size, rows as near to squares as they come.
// Source: Bruls, Huizing, van Wijk, "Squarified Treemaps", 2000.
function squarified(nodes, place) {
  const sum = nodes.reduce((sum, node) => sum + node.bytes, 0);
  if (sum <= 0 || place.w <= 0 || place.h <= 0) return [];
  const scale = (place.w * place.h) / sum;
  const left = [...nodes].filter((node) => node.bytes > 0);
  left.sort((a, b) => (a.kind === "rest") - (b.kind === "rest") || b.bytes - a.bytes);
  const placed = [];
  let { x, y, w, h } = place;
  while (left.length > 0) {
    const side = Math.min(w, h);
    let row = [];
    let area = 0;
    let worst = Infinity;
    while (left.length > 0) {
      const next = left[0].bytes * scale;
      const grown = area + next;
      const sizes = [...row.map((node) => node.bytes * scale), next];
      const thick = grown / side;
      const worse = Math.max(...sizes.map((size) => Math.max(thick ** 2 / size, size / thick ** 2)));
      if (row.length > 0 && worse > worst) break;
      row.push(left.shift());
      [area, worst] = [grown, worse];
    }
    const thick = area / side;
    let at = 0;
    for (const node of row) {
      const long = (node.bytes * scale) / thick;
      placed.push([node, w >= h ? { x, y: y + at, w: thick, h: long } : { x: x + at, y, w: long, h: thick }]);
      at += long;
    }
    if (w >= h) [x, w] = [x + thick, w - thick];
    else [y, h] = [y + thick, h - thick];
  }
  return placed;
}

function wayTo(node) {
  const way = [];
  for (let at = node; at; at = at.above) way.unshift(at);
  return way;
}

function label(node) {
  if (node.kind === "rest" && node.name) return count(node.count) + " × " + node.name;
  if (node.name) return node.name;
  if (node.kind === "heap") return "Reachable heap";
  if (node.kind === "rest") return count(node.count) + " more";
  const own = node.own ? " of " + bytes(node.own) : "";
  return (node.type || "object") + own;
}

// What is known of it beside its name and size, in few words.
function more(node) {
  const said = [];
  if (node.elements) said.push(inside(node.elements));
  if (node.at) said.push("at " + node.at);
  if (node.started) said.push("started at " + node.started);
  return said;
}

// How much is in a container.
function inside({ of, count: number, capacity }) {
  const noun = { map: "entries", chan: "waiting", string: "bytes" }[of] || "elements";
  const room = { map: "slots", slice: "capacity", chan: "capacity" }[of];
  return count(number) + " " + noun + (room && capacity ? ", " + count(capacity) + " " + room : "");
}

// The panel: what a tile is, the way that leads to it, what it holds.
function tellNode(tiles, node) {
  const place = byId("detail");
  place.replaceChildren();
  place.append(el("p", "kind", KINDS[node.kind] || node.kind), el("h3", "", label(node)));
  const facts = el("dl", "");
  const fact = (name, value) => {
    if (value !== null) facts.append(el("dt", "", name), el("dd", "", value));
  };
  const whole = tiles.root.bytes;
  fact("retains", bytes(node.bytes) + ", " + percent(node.bytes, whole) + " of what is reachable");
  fact("objects", count(node.objects));
  fact("own slot", node.own ? bytes(node.own) : null);
  fact("address", node.at || null);
  fact("type", node.type || null);
  fact("inside", node.elements ? inside(node.elements) : null);
  fact("place", node.place || null);
  fact("goroutines", node.kind === "goroutines" && node.count ? count(node.count) : null);
  fact("started at", node.started || null);
  fact("roots", node.roots ? "and " + counted(node.roots, "more root") + " that lead to it" : null);
  place.append(facts);
  if (node.in.length > 0 && tiles.view !== node) {
    const inside = el("button", "inside", "Look inside");
    inside.type = "button";
    inside.addEventListener("click", () => tiles.look(node));
    place.append(inside);
  }
  if (node.kind === "several") place.append(el("p", "said", SEVERAL));
  if (node !== tiles.root) {
    place.append(el("h4", "", "The way that leads to it"), wayList(tiles, node));
  }
  if (node.in.length > 0) place.append(el("h4", "", "What it holds"), heldList(tiles, node));
}

function linkTo(tiles, node) {
  const link = el("button", "", label(node));
  link.type = "button";
  link.title = [label(node), ...more(node)].map(harmless).join("\n");
  link.addEventListener("click", () => tiles.show(node));
  return link;
}

function wayList(tiles, node) {
  const list = el("ol", "way");
  const way = wayTo(node);
  way.forEach((each, index) => {
    const line = el("li", each.kind === "rest" ? "" : each.hue);
    if (index + 1 === way.length) line.append(el("span", "", label(each)));
    else if (index === 0) line.append(el("span", "", "the roots of the program"));
    else line.append(linkTo(tiles, each));
    const said = index > 0 ? ", " + bytes(each.bytes) : "";
    line.append(el("span", "sub", said));
    list.append(line);
  });
  return list;
}

function heldList(tiles, node) {
  const list = el("ul", "held");
  const sorted = [...node.in].sort((a, b) => (a.kind === "rest") - (b.kind === "rest") || b.bytes - a.bytes);
  const shown = sorted.slice(0, 8);
  for (const child of shown) {
    list.append(el("li", "", linkTo(tiles, child), el("span", "num sub", bytes(child.bytes))));
  }
  const rest = sorted.slice(8);
  if (rest.length > 0) {
    const sum = rest.reduce((sum, each) => sum + each.bytes, 0);
    const more = counted(rest.length, "smaller tile");
    list.append(el("li", "", el("span", "sub", more), el("span", "num sub", bytes(sum))));
  }
  return list;
}
