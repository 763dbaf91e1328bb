// The browser's notification when runs end, and the button that allows it. The choice is kept in this browser.

const ON_KEY = "recdash.notify";
const MESSAGE_TIME = 12000; // milliseconds
const BELL = "M6 16V11a6 6 0 0112 0v5l2 2H4zM10 21h4";

const isPossible = () => "Notification" in window && window.isSecureContext;
const isOn = () => {
  try { return isPossible() && Notification.permission === "granted" && localStorage.getItem(ON_KEY) === "on"; }
  catch { return false; }
};

const setOn = async (state, wanted) => {
  let said = "Notifications are off.";
  if (wanted && !isPossible()) said = "This browser has no notifications for this address.";
  else if (wanted && (await Notification.requestPermission()) !== "granted")
    said = "The browser blocks notifications of this address. Allow them in its site settings.";
  else {
    localStorage.setItem(ON_KEY, wanted ? "on" : "off");
    if (wanted) said = "You will be notified when runs end, also while this tab is hidden.";
  }
  state.said.textContent = said;
  state.said.hidden = false;
  clearTimeout(state.timer);
  state.timer = setTimeout(() => { state.said.hidden = true; }, 5000);
  draw(state);
};

// A link inside the app: a new entry of the history, then the event after which Streamlit opens the page of the address.
const follow = (event, address) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a new tab
  event.preventDefault();
  history.pushState({}, "", address);
  window.dispatchEvent(new PopStateEvent("popstate"));
};

// What is shown stays where it is: a message that leaves keeps its place free for the next one.
const leave = ({ messages }, message) => {
  const hadFocus = message.contains(message.getRootNode().activeElement);
  message.style.height = `${message.offsetHeight}px`;
  message.replaceChildren();
  message.classList.add("free");
  while (messages.lastElementChild?.classList.contains("free")) messages.lastElementChild.remove();
  if (hadFocus) messages.querySelector("button")?.focus({ preventScroll: true });
};

const showMessage = (state, { title, text, address, state: outcome }) => {
  const remove = () => { clearTimeout(timer); leave(state, message); };
  const link = make("a", { href: address, onclick: (event) => { follow(event, address); remove(); } }, title);
  const message = make("div", { class: "message" },
    make("span", { class: `mark ${outcome}`, "aria-hidden": "true" }), make("p", {}, link, ` ${text}`),
    iconButton("remove", "Dismiss", remove));
  let timer = 0;
  const wait = () => { // counted from when the visitor can see it
    if (!message.isConnected || message.classList.contains("free")) document.removeEventListener("visibilitychange", wait);
    else if (document.visibilityState === "visible" && !timer) timer = setTimeout(remove, MESSAGE_TIME);
  };
  const free = state.messages.querySelector(".free");
  message.style.minHeight = free?.style.height ?? "";
  if (free) free.replaceWith(message);
  else state.messages.append(message);
  document.addEventListener("visibilitychange", wait);
  wait();
};

const announce = (state) => {
  const notice = state.component.data.notice ?? { number: 0, messages: [] };
  if (notice.number === state.number) return;
  const isFirst = state.number === null;
  state.number = notice.number;
  if (isFirst) return;
  for (const message of notice.messages) showMessage(state, message);
  if (!isOn() || (document.visibilityState === "visible" && document.hasFocus())) return;
  for (const { title, text, address } of notice.messages) {
    const shown = new Notification(title, { body: text, tag: `recdash-${address}` });
    shown.onclick = (event) => { window.focus(); follow(event, address); };
  }
};

const draw = (state) => {
  const on = isOn();
  state.button.hidden = !(state.component.data.active && isPossible());
  state.button.setAttribute("aria-pressed", String(on));
  state.button.title = on ? "Notifications are on" : "Notify me when runs end";
  state.button.classList.toggle("on", on);
};

const build = (component) => {
  const root = component.parentElement.querySelector(".root");
  const state = { component, number: null };
  const bell = icon("search");
  bell.firstChild.setAttribute("d", BELL);
  state.button = make("button", { type: "button", class: "icon-button bell", "aria-label": "Notify me when runs end",
    onclick: () => setOn(state, !isOn()) }, bell);
  state.said = make("p", { class: "said", role: "status", hidden: true });
  state.messages = make("div", { class: "messages", role: "status", "aria-label": "Runs that ended" });
  root.replaceChildren(state.button, state.said, state.messages);
  state.onnotify = () => setOn(state, !isOn()); // from the command palette
  document.addEventListener("recdash-notify", state.onnotify);
  return state;
};

const states = new WeakMap();

export default function (component) {
  const root = component.parentElement;
  if (!states.has(root)) states.set(root, build(component));
  const state = states.get(root);
  state.component = component;
  announce(state);
  draw(state);
  return () => {
    document.removeEventListener("recdash-notify", state.onnotify);
    clearTimeout(state.timer);
    states.delete(root);
  };
}
