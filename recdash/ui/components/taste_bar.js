// The picks in their order: each opens a menu (like, not for me, stars, move, details, remove); chips can be dragged.

const markText = (entry) => (entry.mark === "like" ? "♥" : entry.mark === "dislike" ? "–" : `${entry.mark}★`);
const markName = (entry) =>
  entry.mark === "like" ? "liked" : entry.mark === "dislike" ? "not for me" : `${entry.mark} stars`;

const MOST_SHOWN = 12; // latest picks of a long taste, before it is unfolded
const states = new WeakMap();

const closeMenu = (state) => {
  if (!state.open) return;
  const id = state.open;
  state.open = null;
  draw(state);
  state.root.querySelector(`[data-open="${CSS.escape(id)}"]`)?.focus({ preventScroll: true });
};

const act = (state, kind, values) => {
  state.open = null;
  sendAction(state.component, kind, values);
};

const menu = (state, entry, index) => {
  const { data } = state.component;
  const item = (label, name, onclick, disabled = false) =>
    make("button", { type: "button", class: "menu-item", onclick, disabled }, icon(name), label);
  const stars = [];
  for (let value = data.scale.low; value <= data.scale.high + 1e-9; value += data.scale.step) {
    const text = String(Math.round(value * 100) / 100);
    stars.push(make("button", {
      type: "button", class: "star", "aria-pressed": String(entry.mark === text), "aria-label": `${text} stars`,
      onclick: () => act(state, "mark", { id: entry.id, mark: text }),
    }, text));
  }
  return make("div", { class: "menu", role: "group", "aria-label": `Options for ${entry.label}` },
    item("Like", "heart", () => act(state, "mark", { id: entry.id, mark: "like" }), entry.mark === "like"),
    item("Not for me", "dislike", () => act(state, "mark", { id: entry.id, mark: "dislike" }), entry.mark === "dislike"),
    make("div", { class: "stars", role: "group", "aria-label": "Stars" }, make("span", { class: "muted small" }, "Stars"), ...stars),
    make("div", { class: "row" },
      item("Earlier", "left", () => act(state, "move", { id: entry.id, to: index - 1 }), index === 0),
      item("Later", "right", () => act(state, "move", { id: entry.id, to: index + 1 }), index === data.entries.length - 1)),
    item("Details", "search", () => act(state, "details", { id: entry.id })),
    item("Remove", "remove", () => act(state, "remove", { id: entry.id })));
};

const chip = (state, entry, index) => {
  const open = state.open === entry.id;
  const node = make("div", { class: `chip ${entry.mark === "dislike" ? "disliked" : ""}`, draggable: "true", "data-index": index },
    make("button", {
      type: "button", class: "main", "data-open": entry.id, "aria-expanded": String(open), "aria-label": `${entry.label}, ${markName(entry)}: options`,
      onclick: () => { state.open = open ? null : entry.id; draw(state); },
      onkeydown: (event) => { if (event.key === "Escape") closeMenu(state); },
    }, picture(entry.tile, "tiny"), make("span", { class: "name" }, entry.label), make("span", { class: "mark" }, markText(entry))),
    iconButton("remove", `Remove ${entry.label}`, () => act(state, "remove", { id: entry.id })),
    open ? menu(state, entry, index) : null);
  node.addEventListener("dragstart", (event) => {
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", entry.id);
    state.dragged = entry.id;
    node.classList.add("dragged");
  });
  node.addEventListener("dragend", () => node.classList.remove("dragged"));
  node.addEventListener("dragover", (event) => { event.preventDefault(); node.classList.add("target"); });
  node.addEventListener("dragleave", () => node.classList.remove("target"));
  node.addEventListener("drop", (event) => {
    event.preventDefault();
    node.classList.remove("target");
    if (state.dragged && state.dragged !== entry.id) act(state, "move", { id: state.dragged, to: index });
  });
  return node;
};

const draw = (state) => {
  const { data } = state.component;
  const focused = state.root.getRootNode().activeElement;
  const label = focused?.getAttribute("aria-label");
  const place = Number(focused?.closest?.(".chip")?.dataset.index ?? -1);
  const folded = state.all ? 0 : Math.max(0, data.entries.length - MOST_SHOWN);
  const scrolled = state.root.querySelector(".chips")?.scrollLeft ?? 0;
  state.root.replaceChildren(
    make("div", { class: "head" },
      make("strong", {}, data.title), make("span", { class: "muted small" }, data.note), make("span", { class: "grow" }),
      iconButton("undo", "Undo (Ctrl+Z)", () => act(state, "undo"), { disabled: !data.canUndo }),
      iconButton("redo", "Redo (Ctrl+Shift+Z)", () => act(state, "redo"), { disabled: !data.canRedo }),
      data.entries.length ? make("button", { type: "button", class: "clear", onclick: () => act(state, "clear") }, "Clear picks") : null),
    make("div", { class: `chips ${state.all ? "all" : ""}` },
      folded || state.all
        ? make("button", { type: "button", class: "clear", "aria-expanded": String(state.all), onclick: () => { state.all = !state.all; draw(state); } },
            state.all ? "Show fewer" : `${folded} earlier`)
        : null,
      ...data.entries.slice(folded).map((entry, index) => chip(state, entry, folded + index))));
  state.root.querySelector(".chips").scrollLeft = state.shown && data.entries.length > state.shown ? Number.MAX_SAFE_INTEGER : scrolled;
  state.shown = data.entries.length;
  placeMenu(state);
  if (!label || focused === state.root.getRootNode().activeElement) return;
  const same = [...state.root.querySelectorAll("button")].find((button) => button.getAttribute("aria-label") === label);
  const chips = state.root.querySelectorAll(".chip");
  const neighbour = chips[Math.min(place - folded, chips.length - 1)]?.querySelector(".main"); // of a removed pick
  (same ?? (place >= 0 ? neighbour : null))?.focus({ preventScroll: true });
};

// The menu is fixed to the window, since the row of picks scrolls and would cut it off; on a phone CSS places it.
const placeMenu = (state) => {
  const menu = state.root.querySelector(".menu");
  if (!menu || window.innerWidth <= 640) return;
  const chip = menu.parentElement.getBoundingClientRect();
  menu.style.left = `${Math.max(8, Math.min(chip.left, window.innerWidth - 266))}px`;
  const below = chip.bottom + 6;
  menu.style.top = `${Math.min(below, Math.max(8, window.innerHeight - menu.offsetHeight - 8))}px`;
};

export default function (component) {
  const key = component.parentElement;
  let state = states.get(key);
  if (!state) {
    state = { root: key.querySelector(".root"), open: null, dragged: null, shown: 0, all: false };
    state.onpointer = (event) => { if (state.open && !event.composedPath().includes(state.root)) { state.open = null; draw(state); } };
    state.onscroll = (event) => { if (state.open && window.innerWidth > 640 && !event.composedPath().some((node) => node.classList?.contains?.("menu"))) placeMenu(state); };
    document.addEventListener("pointerdown", state.onpointer);
    document.addEventListener("scroll", state.onscroll, true);
    states.set(key, state);
  }
  state.component = component;
  draw(state);
  return () => {
    document.removeEventListener("pointerdown", state.onpointer);
    document.removeEventListener("scroll", state.onscroll, true);
    states.delete(key);
  };
}
