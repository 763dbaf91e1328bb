// Helpers of all components. Text from the server only ever becomes text nodes, never HTML.

const make = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
};

// Actions carry a number, so that the same action twice is two actions.
let actionNumber = Date.now();
const sendAction = (component, kind, values = {}) =>
  inTurn(() => component.setTriggerValue("action", { kind, ...values, number: ++actionNumber }));

const picture = (tile, size = "") => {
  const node = make("span", { class: `picture ${size} motif-${tile.motif}`, "aria-hidden": "true" }, tile.initials);
  for (const part of ["back", "accent", "ink"])
    node.style.setProperty(`--picture-${part}`, `light-dark(${tile[part][0]}, ${tile[part][1]})`);
  return node;
};

// Black or white, whichever has more contrast with a background #rrggbb (relative luminance of WCAG 2).
const inkOn = (colour) => {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const part = parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.19 ? "#10151d" : "#fff";
};

const withYear = (item) => (item.year ? `${item.title} (${item.year})` : item.title);

const iconPaths = {
  add: "M12 5v14M5 12h14",
  remove: "M6 6l12 12M18 6L6 18",
  dislike: "M5 12h14",
  check: "M5 12.5l4.5 4.5L19 7.5",
  left: "M15 5l-7 7 7 7",
  right: "M9 5l7 7-7 7",
  undo: "M9 7L4 12l5 5M4 12h10a6 6 0 010 12",
  redo: "M15 7l5 5-5 5M20 12H10a6 6 0 000 12",
  heart: "M12 20s-7-4.6-7-10a4 4 0 017-2.6A4 4 0 0119 10c0 5.4-7 10-7 10z",
  search: "M11 4a7 7 0 105 12l4 4M16 16a7 7 0 00-5-12",
};
const icon = (name) => {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", name === "undo" || name === "redo" ? "0 2 24 24" : "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", iconPaths[name]);
  svg.append(path);
  return svg;
};

const iconButton = (name, label, onclick, attributes = {}) =>
  make("button", { type: "button", class: "icon-button", "aria-label": label, title: label, onclick, ...attributes }, icon(name));

const isTouch = () => window.matchMedia("(pointer: coarse)").matches;
