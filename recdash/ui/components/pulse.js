// A timer that asks the server to draw its fragment again; slow or at rest in a hidden tab.

const WAIT_FOR_ANSWER = 6000; // milliseconds after which an unanswered request is sent again
const INPUT_PAUSE = 150; // milliseconds after a press or a key: what is clicked is a request, and goes first
const LONGEST_PAUSE = 1000; // milliseconds that a timer waits for one who never pauses

const pulses = new WeakMap();
if (turns.input === undefined) {
  turns.input = -Infinity;
  for (const kind of ["pointerdown", "keydown"])
    window.addEventListener(kind, () => { turns.input = performance.now(); }, { capture: true, passive: true });
}
const untilPause = (pulse) => {
  const now = performance.now();
  pulse.due ??= now;
  if (now - pulse.due > LONGEST_PAUSE) return 0;
  if (navigator.scheduling?.isInputPending?.()) return APART;
  return Math.max(turns.input + INPUT_PAUSE - now, 0);
};

const schedule = (pulse, milliseconds) => {
  clearTimeout(pulse.timer);
  pulse.due = null;
  const { hidden } = pulse.component.data; // milliseconds between requests of a hidden tab; 0: none
  const isHidden = document.visibilityState === "hidden";
  if (!isHidden || hidden) pulse.timer = setTimeout(pulse.ask, isHidden ? hidden : milliseconds);
};

export default function (component) {
  const key = component.parentElement;
  let pulse = pulses.get(key);
  if (!pulse) {
    pulse = { timer: 0, due: null, component };
    pulse.ask = () => {
      const wait = untilTurn() || untilPause(pulse);
      if (wait) {
        pulse.timer = setTimeout(pulse.ask, wait);
        return;
      }
      takeTurn(() => pulse.component.setTriggerValue("tick", Date.now()));
      schedule(pulse, WAIT_FOR_ANSWER);
    };
    pulse.onchange = () => schedule(pulse, 0);
    document.addEventListener("visibilitychange", pulse.onchange);
    pulses.set(key, pulse);
  }
  pulse.component = component;
  schedule(pulse, component.data.milliseconds); // counted from the last answer
  return () => {
    clearTimeout(pulse.timer);
    document.removeEventListener("visibilitychange", pulse.onchange);
    pulses.delete(key);
  };
}
