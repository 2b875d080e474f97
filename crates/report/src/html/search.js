// Search over everything that has a tile.
"use strict";

const MOST_FOUND = 14;

function search(tiles) {
  const input = byId("search");
  const list = byId("found");
  let found = [];
  let at = -1;

  function look() {
    const wanted = input.value.trim().toLowerCase();
    found = [];
    if (wanted) {
      const text = (node) => [label(node), node.type, node.at, node.place].join(" ").toLowerCase();
      found = tiles.all.filter((node) => node !== tiles.root && text(node).includes(wanted));
      found.sort((a, b) => b.bytes - a.bytes);
      found = found.slice(0, MOST_FOUND);
    }
    at = found.length > 0 ? 0 : -1;
    list.replaceChildren();
    found.forEach((node, index) => list.append(line(node, index)));
    if (wanted && found.length === 0) list.append(el("li", "none", "nothing by that name has a tile"));
    list.hidden = !wanted;
    input.setAttribute("aria-expanded", String(!list.hidden));
    mark();
  }

  function line(node, index) {
    const item = el("li", "", el("span", "", label(node)), el("span", "num sub", bytes(node.bytes)));
    item.id = "found-" + index;
    item.setAttribute("role", "option");
    item.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      take(index);
    });
    return item;
  }

  function mark() {
    [...list.children].forEach((item, index) => item.setAttribute("aria-selected", String(index === at)));
    if (at >= 0) input.setAttribute("aria-activedescendant", "found-" + at);
    else input.removeAttribute("aria-activedescendant");
  }

  function take(index) {
    const node = found[index];
    if (!node) return;
    close();
    tiles.view = node.above || node;
    tiles.draw();
    tiles.crumbs();
    tiles.choose(node, true);
  }

  function close() {
    input.value = "";
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
  }

  input.addEventListener("input", look);
  input.addEventListener("blur", () => { list.hidden = true; });
  input.addEventListener("focus", () => { if (input.value) look(); });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      if (found.length > 0) at = (at + step + found.length) % found.length;
      mark();
    } else if (event.key === "Enter") {
      take(at);
    } else if (event.key === "Escape") {
      close();
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== input) {
      event.preventDefault();
      input.focus();
    }
  });
}
