// A timer that asks the server to draw its fragment again; slow or at rest in a hidden tab.

const WAIT_FOR_ANSWER = 6000; // milliseconds after which an unanswered request is sent again
const APART = 40; // milliseconds between requests of two timers: of fragments asked for at once, Streamlit reruns only one

const pulses = new WeakMap();
const turns = (window.recdashPulses ??= { next: 0 }); // of all timers of the page

const schedule = (pulse, milliseconds) => {
  clearTimeout(pulse.timer);
  const { hidden } = pulse.component.data; // milliseconds between requests of a hidden tab; 0: none
  const isHidden = document.visibilityState === "hidden";
  if (!isHidden || hidden) pulse.timer = setTimeout(pulse.ask, isHidden ? hidden : milliseconds);
};

export default function (component) {
  const key = component.parentElement;
  let pulse = pulses.get(key);
  if (!pulse) {
    pulse = { timer: 0, component };
    pulse.ask = () => {
      const wait = turns.next - performance.now();
      if (wait > 0) {
        pulse.timer = setTimeout(pulse.ask, wait);
        return;
      }
      turns.next = performance.now() + APART;
      pulse.component.setTriggerValue("tick", Date.now());
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
