// Streamlit sends the requests of one moment together and reruns the fragment of only one of them: requests take turns.

const APART = 40; // milliseconds between two requests
const turns = (window.recdashTurns ??= { next: 0 }); // of all components of the page

const untilTurn = () => Math.min(Math.max(turns.next - performance.now(), 0), APART);
const takeTurn = (send) => {
  turns.next = Infinity; // until this request has left, however busy the browser is
  send();
  setTimeout(() => { turns.next = performance.now() + APART; }, 1);
};
const inTurn = (send) => {
  if (untilTurn()) setTimeout(inTurn, untilTurn(), send);
  else takeTurn(send);
};

