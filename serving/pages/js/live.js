// One stream of beats for the whole console; pages subscribe to it.

const listeners = new Set();
export const beats = [];
const KEPT = 300;

export function subscribe(listener) {
  listeners.add(listener);
  if (beats.length) listener(beats[beats.length - 1]);
  return () => listeners.delete(listener);
}

export function connect() {
  const source = new EventSource("/v1/live");
  source.addEventListener("beat", (event) => {
    const beat = JSON.parse(event.data);
    beats.push(beat);
    if (beats.length > KEPT) beats.shift();
    for (const listener of listeners) listener(beat);
  });
  source.addEventListener("error", () => {
    for (const listener of listeners) listener(null);
  });
}
