// A combobox: results while typing, Enter takes the first, arrows move, the focus stays in the field.

const TYPING_PAUSE = 70; // milliseconds without a key before the server is asked
const MESSAGE_TIME = 7000; // milliseconds

const choose = (state, item) => {
  const { component, input } = state;
  sendAction(component, "like", { id: item.id });
  state.announce.textContent = `${withYear(item)} picked`;
  input.value = "";
  state.wanted = "";
  state.active = -1;
  draw(state);
  input.focus({ preventScroll: true });
};

// Enter before the results have come puts the text into a queue and empties the field, so that the next title can be typed.
const chooseActive = (state) => {
  const { data } = state.component;
  const text = state.input.value.trim();
  if (!text) return;
  if (data.query === text && !state.queue.length) {
    const item = data.results[Math.max(0, state.active)];
    if (item) choose(state, item);
    return;
  }
  state.queue.push(text);
  state.input.value = "";
  state.wanted = "";
  state.active = -1;
  sendNext(state, 0);
  draw(state);
};

const sendNext = (state, pause) => {
  clearTimeout(state.timer);
  const text = state.queue.length ? state.queue[0] : state.wanted;
  if (text !== state.component.data.query) state.timer = setTimeout(() => inTurn(() => state.component.setStateValue("query", text)), pause);
};

const chooseQueued = (state) => {
  const { data } = state.component;
  if (!state.queue.length || data.query !== state.queue[0]) return;
  state.queue.shift();
  if (data.results.length) sendAction(state.component, "like", { id: data.results[0].id });
  else showMessage(state, data.nothing, false);
  sendNext(state, 0);
};

const ask = (state, pause = TYPING_PAUSE) => {
  state.wanted = state.input.value.trim();
  state.active = -1;
  if (!state.queue.length) sendNext(state, pause);
  draw(state);
};

const move = (state, step) => {
  const n = state.component.data.results.length;
  if (!n) return;
  state.active = state.active < 0 ? (step > 0 ? (n > 1 ? 1 : 0) : n - 1) : (state.active + step + n) % n;
  draw(state);
  state.list.children[state.active]?.scrollIntoView({ block: "nearest" });
};

const draw = (state) => {
  const { component, input, list, empty } = state;
  const { data } = component;
  const current = state.wanted !== "" && data.query !== "" && !state.queue.length;
  const hasFocus = input.getRootNode().activeElement === input; // the results cover the page below, as long as they are wanted
  const results = current && hasFocus ? data.results : [];
  input.setAttribute("aria-expanded", String(results.length > 0));
  list.hidden = results.length === 0;
  const first = Math.max(0, state.active);
  list.replaceChildren(
    ...results.map((item, index) =>
      make(
        "li",
        {
          id: `result-${index}`, role: "option", "aria-selected": String(index === first),
          onmousedown: (event) => event.preventDefault(), // the field keeps the focus
          onclick: () => choose(state, item),
        },
        picture(item.tile),
        make("span", { class: "title" }, make("strong", {}, item.title), item.year ? ` ${item.year}` : "",
          item.genres ? make("span", { class: "genres" }, item.genres) : null),
        make("span", { class: "state" }, item.mark || (index === first ? "Enter" : "")),
      ),
    ),
  );
  if (results.length) input.setAttribute("aria-activedescendant", `result-${first}`);
  else input.removeAttribute("aria-activedescendant");
  const nothing = state.wanted !== "" && data.query === state.wanted && data.results.length === 0;
  empty.hidden = !nothing;
  empty.textContent = nothing ? data.nothing : "";
};

// A message at the bottom of the window, with a button that undoes the change; gone after a while.
const say = (state) => {
  const { message } = state.component.data;
  if (message.number === state.said) return;
  const first = state.said === null;
  state.said = message.number;
  if (first || !message.text) return;
  showMessage(state, message.text, state.component.data.canUndo);
};

const showMessage = (state, text, canUndo) => {
  const undo = make("button", { type: "button", onclick: () => {
    state.toast.hidden = true;
    if (!isTouch()) state.input.focus({ preventScroll: true }); // the button is gone
    sendAction(state.component, "undo");
  } }, "Undo");
  state.toast.replaceChildren(make("span", {}, text), canUndo ? undo : "");
  state.toast.hidden = false;
  clearTimeout(state.toastTimer);
  state.toastTimer = setTimeout(() => { state.toast.hidden = true; }, MESSAGE_TIME);
};

const build = (component) => {
  const root = component.parentElement.querySelector(".root");
  const state = { component, active: -1, wanted: "", timer: 0, queue: [], said: null };
  const input = make("input", {
    type: "text", role: "combobox", autocomplete: "off", spellcheck: "false", "aria-autocomplete": "list",
    "aria-controls": "results", "aria-expanded": "false", "aria-label": component.data.label,
    enterkeyhint: "go",
  });
  state.input = input;
  state.list = make("ul", { id: "results", role: "listbox", "aria-label": "Matching titles", hidden: true });
  state.empty = make("p", { class: "muted nothing", role: "status", hidden: true });
  state.announce = make("p", { class: "sr-only", "aria-live": "polite" });
  state.toast = make("div", { class: "toast", role: "status", hidden: true });
  input.addEventListener("input", () => ask(state));
  input.addEventListener("focus", () => draw(state));
  input.addEventListener("blur", () => draw(state));
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") { event.preventDefault(); chooseActive(state); }
    else if (event.key === "ArrowDown") { event.preventDefault(); move(state, 1); }
    else if (event.key === "ArrowUp") { event.preventDefault(); move(state, -1); }
    else if (event.key === "Escape") { input.value = ""; ask(state, 0); }
  });
  root.replaceChildren(make("div", { class: "field" }, icon("search"), input), state.list, state.empty, state.announce, state.toast);
  // Ctrl+Z anywhere on the page, but not while a text is being edited.
  state.onkey = (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
    const key = event.key.toLowerCase();
    const target = event.composedPath()[0];
    const editing = target instanceof HTMLInputElement ? target.value !== "" && target.type !== "range"
      : target instanceof HTMLTextAreaElement || target?.isContentEditable;
    if (editing || (key !== "z" && key !== "y")) return;
    const redo = key === "y" || event.shiftKey;
    if (!(redo ? state.component.data.canRedo : state.component.data.canUndo)) return;
    event.preventDefault();
    sendAction(state.component, redo ? "redo" : "undo");
  };
  document.addEventListener("keydown", state.onkey);
  if (component.data.focus && !isTouch()) input.focus({ preventScroll: true });
  return state;
};

const states = new WeakMap();

export default function (component) {
  const root = component.parentElement;
  if (!states.has(root)) states.set(root, build(component));
  const state = states.get(root);
  state.component = component;
  state.input.placeholder = window.innerWidth < 640 ? component.data.label : component.data.placeholder;
  say(state);
  chooseQueued(state);
  draw(state);
  return () => {
    document.removeEventListener("keydown", state.onkey);
    states.delete(root);
  };
}
