// The lambda as it is now: what flows in, how old what is known is, who answers, how fast.

import { chart, colour } from "./chart.js";
import { ago, counted, el, figures, head, number, panel, percent, svg } from "./dom.js";
import { beats, subscribe } from "./live.js";

const BOXES = [
  ["kafka", 10, 130, "Kafka", "n-kafka"], ["speed", 285, 30, "Speed layer", "n-speed"], ["lake", 285, 230, "Lake and night", "n-batch"],
  ["store", 560, 130, "Store", "n-store"], ["serving", 800, 130, "Answers", "n-serve"],
];
const FLOWS = [["M190 160 H235 V65 H280", "speed"], ["M190 180 H235 V265 H280", "batch"], ["M465 65 H510 V155 H555", "speed"],
  ["M465 265 H510 V185 H555", "batch"], ["M740 170 H795", "speed"]];

function diagram() {
  const boxes = BOXES.map(([id, x, y, name, kind]) => svg("g", { class: kind, transform: `translate(${x} ${y})` },
    svg("rect", { width: 180, height: 78, rx: 10 }), svg("text", { x: 14, y: 24, class: "v" }, name),
    svg("text", { x: 14, y: 45, id: `${id}-1` }, ""), svg("text", { x: 14, y: 65, class: "sub", id: `${id}-2` }, "")));
  const flows = FLOWS.flatMap(([d, kind]) => [svg("path", { d }), svg("path", { d, class: `flow ${kind}` })]);
  return svg("svg", { viewBox: "0 0 990 330", class: "diagram", role: "img", "aria-label": "From Kafka through both layers and the store to answers" },
    ...flows, ...boxes);
}

function told(place, { flow, known, answered, answers_per_second }) {
  const say = (id, text) => { place.querySelector(`#${id}`).textContent = text; };
  say("kafka-1", `${number(flow.events_per_second)} events/s`);
  say("kafka-2", `lag ${counted(flow.lag)} events`);
  say("speed-1", flow.scorers ? `${flow.scorers} scorer${flow.scorers > 1 ? "s" : ""}` : "no scorer");
  say("speed-2", flow.delay_seconds === null ? "no event of late" : `event to store ${ago(flow.delay_seconds)}`);
  say("lake-1", known?.generation ? `generation ${known.generation}` : "no generation");
  say("lake-2", known?.generation ? `all until ${ago(known.age_seconds)} ago` : "");
  say("store-1", known ? "there" : "away");
  say("store-2", known ? `${number(known.round_trip_ms, 2)} ms a round trip` : "");
  say("serving-1", `${number(answers_per_second)} answers/s`);
  say("serving-2", answered.p99_ms === null ? "" : `99 % within ${number(answered.p99_ms, 2)} ms`);
  place.querySelector(".diagram").classList.toggle("still", !flow.events_per_second && !answers_per_second);
}

function shares({ flow, answered }) {
  const total = Object.values(answered.layers).reduce((sum, count) => sum + count, 0);
  const share = (layer) => (total ? percent(answered.layers[layer] / total) : "–");
  return figures([["by batch", share("batch")], ["by speed", share("speed")], ["by fallback", share("fallback")], ...(answered.layers.blend ? [["by a blend", share("blend")]] : []),
    ["answers", counted(total)], ["99 % of them within", answered.p99_ms === null ? "–" : `${number(answered.p99_ms, 2)} ms`],
    ["late events", counted(flow.late)], ["duplicates", counted(flow.duplicates)], ["quarantined", counted(flow.quarantined)]]);
}

function lines(place) {
  const at = beats.map((beat) => beat.at);
  const line = (name, value, kind) => ({ x: at, y: beats.map(value), name, mode: "lines", line: { color: colour(kind), width: 2 } });
  return chart(place, [line("events/s", (beat) => beat.flow.events_per_second, "speed"), line("answers/s", (beat) => beat.answers_per_second, "good")],
    { height: 260, yaxis: { rangemode: "tozero" } });
}

export function open(place) {
  const drawn = el("div", { class: "chart", id: "rates" }), answered = el("div", { id: "answered" });
  place.append(...head("Now", "What flows in, how old the batch layer's knowledge is, and which layer answers; every second."),
    panel("The lambda", el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "The lambda as a picture" }, diagram())), panel("Who answered, since this server started", answered), panel("Events and answers a second", drawn));
  return subscribe((beat) => {
    if (!beat) return;
    told(place, beat);
    answered.replaceChildren(shares(beat));
    lines(drawn);
  });
}
