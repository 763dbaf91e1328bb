// The command palette: a button, Ctrl+K anywhere, and a dialog with one combobox. The server finds, this draws.

const TYPING_PAUSE = 60; // milliseconds without a key before the server is asked
const LOOK_AGAIN = 400; // milliseconds until titles that were still loading are asked for again
const RECENT_KEY = "recdash.palette.recent", MAX_RECENT = 5;
const isApple = /Mac|iPhone|iPad/.test(navigator.platform);
const SHORTCUTS = [
  ["Search from any page", isApple ? "⌘ K" : "Ctrl K"],
  ["Move in a list, open, close", "↑ ↓ · Enter · Esc"],
  ["Runs in the sidebar: next, previous, show or hide", "j · k · x"],
  ["Recommend: undo and redo", isApple ? "⌘ Z · ⌘ Y" : "Ctrl Z · Ctrl Y"],
];

const recent = () => {
  try {
    const kept = JSON.parse(localStorage.getItem(RECENT_KEY) ?? "[]");
    return kept.filter((entry) => typeof entry?.id === "string" && typeof entry.title === "string").slice(0, MAX_RECENT);
  } catch { return []; }
};
const remember = (entry) => {
  try {
    const kept = [entry, ...recent().filter((one) => one.id !== entry.id)].slice(0, MAX_RECENT);
    localStorage.setItem(RECENT_KEY, JSON.stringify(kept));
  } catch { /* private windows keep nothing */ }
};

// Streamlit keeps the visitor's theme per page address, and reads it when a page is loaded.
const switchTheme = () => {
  const isDark = getComputedStyle(document.documentElement).colorScheme === "dark";
  const base = location.pathname.replace(/[^/]*$/, "");
  const pages = ["overview", "home", "train", "curves", "results", "run", "published", "recommend", "data", ""];
  for (const path of new Set([location.pathname, ...pages.map((page) => base + page)]))
    localStorage.setItem(`stActiveTheme-${path}-v2`, JSON.stringify(isDark ? "Light" : "Dark"));
  location.reload();
};

const send = (state, pause) => {
  clearTimeout(state.timer);
  state.timer = setTimeout(() => inTurn(() => state.component.setStateValue("query", wanted(state))), pause);
};
const wanted = (state) => `${state.opening}:${state.input.value}`;
const isAnswered = (state) => state.component.data.query === wanted(state);

// What is typed while Streamlit mounts the component again, as it does on a new page, is kept here.
let kept = null;

const open = (state, text = "") => {
  if (state.dialog.open) return;
  Object.assign(state, { opening: Date.now(), active: 0, enter: false, help: false });
  state.input.value = kept = text;
  state.dialog.showModal();
  state.input.focus();
  send(state, 0);
  draw(state);
};
const close = (state, isChosen = false) => {
  kept = null;
  clearTimeout(state.timer);
  clearTimeout(state.again);
  state.dialog.close();
  if (!isChosen) state.component.setStateValue("query", "");
};

const choose = (state, entry) => {
  remember({ id: entry.id, title: entry.title, note: entry.note, colour: entry.colour });
  if (entry.id === "do:help") { state.help = true; draw(state); return; }
  const isLocal = entry.id === "do:theme" || entry.id === "do:notify";
  close(state, !isLocal);
  if (entry.id === "do:theme") switchTheme();
  else if (entry.id === "do:notify") document.dispatchEvent(new CustomEvent("recdash-notify"));
  else sendAction(state.component, "open", { id: entry.id, opening: String(state.opening) });
};

// Streamlit opens the page of the address when the visitor goes back; a new entry of the history, then the same event.
const go = (state) => {
  const wish = state.component.data.go ?? { number: 0, address: "" };
  if (wish.number === state.gone) return;
  const isFirst = state.gone === null;
  state.gone = wish.number;
  if (isFirst) return;
  history.pushState({}, "", wish.address);
  window.dispatchEvent(new PopStateEvent("popstate"));
};

const shownGroups = (state) => {
  const { groups, query } = state.component.data;
  const found = query.startsWith(`${state.opening}:`) ? groups : [];
  const kept = state.input.value.trim() === "" ? recent() : [];
  const ids = new Set(kept.map((entry) => entry.id));
  const others = found.map((group) => ({ ...group, entries: group.entries.filter((entry) => !ids.has(entry.id)) }));
  return [...(kept.length ? [{ title: "Recent", entries: kept }] : []), ...others].filter((group) => group.entries.length);
};

const move = (state, step) => {
  const n = state.entries.length;
  if (!n) return;
  state.active = (state.active + step + n) % n;
  draw(state);
  state.list.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
};

const line = (state, entry, index) =>
  make("div", {
      id: `option-${index}`, role: "option", class: "option", "aria-selected": String(index === state.active),
      onmousedown: (event) => event.preventDefault(), // the field keeps the focus
      onclick: () => choose(state, entry),
    },
    make("span", { class: "dot", "aria-hidden": "true", style: entry.colour ? `background:${entry.colour}` : null }),
    make("span", { class: "title" }, entry.title),
    make("span", { class: "note" }, entry.note ?? ""),
  );

const draw = (state) => {
  const groups = state.help ? [] : shownGroups(state);
  state.entries = groups.flatMap((group) => group.entries);
  state.active = Math.max(0, Math.min(state.active, state.entries.length - 1));
  let index = 0;
  state.list.replaceChildren(...groups.map((group, number) =>
    make("div", { role: "group", "aria-labelledby": `group-${number}` },
      make("div", { class: "group", id: `group-${number}`, role: "presentation" }, group.title),
      ...group.entries.map((entry) => line(state, entry, index++)))));
  state.list.hidden = state.entries.length === 0;
  state.input.setAttribute("aria-expanded", String(state.entries.length > 0));
  if (state.entries.length) state.input.setAttribute("aria-activedescendant", `option-${state.active}`);
  else state.input.removeAttribute("aria-activedescendant");
  if (isAnswered(state)) state.input.setAttribute("data-answered", state.input.value);
  const { pending } = state.component.data;
  const text = state.help ? "" : !isAnswered(state) && !state.entries.length ? "Searching"
    : isAnswered(state) && pending ? "Loading titles" : state.entries.length ? "" : `Nothing is called “${state.input.value.trim()}”.`;
  state.status.textContent = text;
  state.status.hidden = !text;
  state.help_.hidden = !state.help;
};

const answer = (state) => {
  if (!state.dialog.open) return;
  if (isAnswered(state)) {
    clearTimeout(state.again);
    if (state.component.data.pending) state.again = setTimeout(() => sendAction(state.component, "look again"), LOOK_AGAIN);
    if (state.enter) {
      state.enter = false;
      draw(state);
      if (state.entries.length) choose(state, state.entries[0]);
      return;
    }
  }
  draw(state);
};

const onKey = (state, event) => {
  event.stopPropagation(); // single letters are shortcuts of some pages
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    move(state, event.key === "ArrowDown" ? 1 : -1);
  } else if (event.key === "Enter" && event.target === state.input) {
    event.preventDefault();
    if (!isAnswered(state)) state.enter = true;
    else if (state.entries.length) choose(state, state.entries[state.active]);
  } else if (event.key === "Escape") {
    event.preventDefault();
    close(state);
  }
};

const build = (component) => {
  const root = component.parentElement.querySelector(".root");
  const state = { component, opening: 0, active: 0, entries: [], enter: false, help: false, gone: null };
  state.input = make("input", {
    type: "text", role: "combobox", autocomplete: "off", spellcheck: "false", "aria-autocomplete": "list",
    "aria-controls": "options", "aria-expanded": "false", "aria-label": "Search runs, titles, pages and actions",
    placeholder: window.innerWidth < 640 ? "Search" : "Search runs, titles, pages and actions", enterkeyhint: "go",
    oninput: () => { Object.assign(state, { active: 0, enter: false, help: false }); kept = state.input.value; send(state, TYPING_PAUSE); draw(state); },
  });
  state.list = make("div", { id: "options", role: "listbox", "aria-label": "Results", class: "options" });
  state.status = make("p", { class: "muted status", role: "status" });
  state.help_ = make("dl", { class: "help", hidden: true },
    ...SHORTCUTS.flatMap(([what, keys]) => [make("dt", {}, what), make("dd", {}, keys)]));
  state.dialog = make("dialog", { "aria-label": "Search", onkeydown: (event) => onKey(state, event),
      oncancel: (event) => { event.preventDefault(); close(state); },
      onclick: (event) => { if (event.target === state.dialog) close(state); } }, // the backdrop
    make("div", { class: "panel" },
      make("div", { class: "field" }, icon("search"), state.input,
        make("button", { type: "button", class: "escape", "aria-label": "Close", onclick: () => close(state) }, "Esc")),
      state.list, state.status, state.help_));
  const button = make("button", { type: "button", class: "opener", "aria-label": "Search runs, titles, pages and actions",
      "aria-keyshortcuts": isApple ? "Meta+K" : "Control+K", onclick: () => open(state) },
    icon("search"), make("span", { class: "word" }, "Search"), make("kbd", {}, isApple ? "⌘ K" : "Ctrl K"));
  root.replaceChildren(button, state.dialog);
  state.onshortcut = (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey || event.key.toLowerCase() !== "k") return;
    event.preventDefault();
    if (state.dialog.open) close(state); else open(state);
  };
  document.addEventListener("keydown", state.onshortcut, { capture: true });
  return state;
};

const states = new WeakMap();

export default function (component) {
  const root = component.parentElement;
  if (!states.has(root)) states.set(root, build(component));
  const state = states.get(root);
  state.component = component;
  if (kept !== null && !state.dialog.open) open(state, kept);
  go(state);
  answer(state);
  return () => {
    document.removeEventListener("keydown", state.onshortcut, { capture: true });
    clearTimeout(state.timer);
    clearTimeout(state.again);
    states.delete(root);
  };
}
