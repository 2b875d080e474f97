// Search over what is on the page: tiles, types and findings.
"use strict";

// Lines that are shown at once; how many there are beside them is said.
const MOST_FOUND = 60;
const ADDRESS = /^0x[0-9a-f]{3,16}$/;

function search(tiles, report) {
  const input = byId("search");
  const list = byId("found");
  const all = [...typesFound(report.heap), ...tilesFound(tiles), ...findingsFound(report.why.findings)];
  let found = [];
  let at = -1;

  function look() {
    const wanted = input.value.trim().toLowerCase();
    const hits = wanted ? matches(all, wanted) : [];
    found = hits.slice(0, MOST_FOUND);
    at = found.length > 0 ? 0 : -1;
    list.replaceChildren(...found.map(line));
    if (hits.length > found.length) {
      list.append(note(count(hits.length - found.length) + " more, none larger; type more of the name"));
    }
    if (wanted && hits.length === 0) list.append(note(...nothing(wanted, report.why)));
    list.hidden = !wanted;
    input.setAttribute("aria-expanded", String(!list.hidden));
    mark();
  }

  function line(each, index) {
    const name = el("span", "what", el("span", "", each.name), el("span", "sub", each.where));
    const item = el("li", "", name, el("span", "num sub", each.bytes > 0 ? bytes(each.bytes) : ""));
    item.id = "found-" + index;
    item.title = harmless(each.name + "\n" + each.where);
    item.setAttribute("role", "option");
    item.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      take(index);
    });
    return item;
  }

  function note(...inside) {
    return el("li", "none", el("span", "", ...inside));
  }

  function mark() {
    [...list.children].forEach((item, index) => item.setAttribute("aria-selected", String(index === at)));
    if (at >= 0) input.setAttribute("aria-activedescendant", "found-" + at);
    else input.removeAttribute("aria-activedescendant");
    if (at >= 0) list.children[at].scrollIntoView({ block: "nearest" });
  }

  function take(index) {
    const each = found[index];
    if (!each) return;
    close();
    each.go();
  }

  function close() {
    input.value = "";
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
  }

  input.addEventListener("input", look);
  // A command in it can be selected and copied.
  input.addEventListener("blur", () => { list.hidden = !list.matches(":hover"); });
  document.addEventListener("pointerdown", (event) => {
    if (!list.contains(event.target) && event.target !== input) list.hidden = true;
  });
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

// What has all of the name first, then the largest. An address also finds the object that it lies
// in.
function matches(all, wanted) {
  const address = ADDRESS.test(wanted) ? BigInt(wanted) : null;
  const lies = (each) => address !== null && each.from !== null && address >= each.from && address < each.to;
  const hits = all.filter((each) => each.text.includes(wanted) || lies(each));
  const whole = (each) => each.name.toLowerCase() === wanted || lies(each);
  return hits.sort((a, b) => whole(b) - whole(a) || b.bytes - a.bytes);
}

function nothing(wanted, why) {
  if (!ADDRESS.test(wanted)) return ["nothing on this page has that in its name"];
  const files = { core: "CORE", snapshot: "SNAPSHOT" };
  const target = files[why.taken.method] || why.target.pid || "TARGET";
  const command = el("code", "", "letgo heap " + target + " --path " + wanted);
  return ["no tile is at this address. What leads to it, tile or not, is told by ", command];
}

function tilesFound(tiles) {
  const own = tiles.all.filter((node) => node !== tiles.root);
  return own.map((node) => {
    const from = node.at && node.own ? BigInt(node.at) : null;
    return {
      name: label(node),
      where: whereIs(tiles, node),
      text: [label(node), node.type, node.at, node.place, node.started].join(" ").toLowerCase(),
      bytes: node.bytes,
      from,
      to: from === null ? null : from + BigInt(node.own),
      go: () => tiles.reveal(node),
    };
  });
}

// What tells tiles of the same name apart: the address, and the holder that they are in.
function whereIs(tiles, node) {
  const owner = wayTo(node)[1];
  if (owner === node) return KINDS[node.kind] || node.kind;
  return (node.at ? node.at + ", " : "") + "in " + label(owner);
}

function typesFound(heap) {
  return (heap.types || []).map((type, index) => ({
    name: type.name,
    where: "type, " + counted(type.objects.count, "object"),
    text: type.name.toLowerCase(),
    bytes: type.objects.slot_bytes,
    from: null,
    to: null,
    go: () => showType(index),
  }));
}

function findingsFound(list) {
  return list.map((finding, index) => {
    const place = finding.location ? finding.location.function + " " + finding.location.file : "";
    return {
      name: finding.title,
      where: "what stands out, " + finding.severity,
      text: [finding.title, finding.holder, place].join(" ").toLowerCase(),
      bytes: finding.bytes,
      from: null,
      to: null,
      go: () => showFinding(index),
    };
  });
}
