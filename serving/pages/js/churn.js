// Who is about to cancel: the cutoff as a slider over what it costs, and the list to call.

import { get } from "./api.js";
import { chart, colour } from "./chart.js";
import { el, field, figures, head, minute, number, panel, percent, table } from "./dom.js";

const PAGE = 25;

export async function open(place) {
  place.append(...head("Churn", "Where to draw the line: lower, and more of those who cancel are found, and more are called in vain."));
  const curve = await get("/v1/churn/curve");
  const points = curve.points, at = (cutoff) => points.reduce((best, one) => (Math.abs(one.cutoff - cutoff) < Math.abs(best.cutoff - cutoff) ? one : best));
  const slider = el("input", { type: "range", id: "cutoff", min: "0", max: "1", step: "0.01", value: String(curve.cutoff) });
  const chosen = el("output", { id: "chosen", for: "cutoff" }), drawn = el("div", { class: "chart", id: "curve" });
  const list = el("div", { id: "at-risk" }), links = el("p");
  place.append(panel("Cutoff", el("form", { onsubmit: (event) => event.preventDefault() }, field("Cutoff of the probability", slider)), chosen, drawn), panel("At risk", links, list));
  await draw(drawn, points);
  const told = () => { chosen.replaceChildren(facts(at(Number(slider.value)), curve)); };
  const asked = async () => {
    const cutoff = slider.value;
    links.replaceChildren(el("a", { class: "button", href: `/v1/churn/at-risk?format=csv&cutoff=${cutoff}`, download: "at-risk.csv" }, "Download all as CSV"));
    const { items } = await get(`/v1/churn/at-risk?n=${PAGE}&cutoff=${cutoff}`);
    list.replaceChildren(ranked(items));
  };
  slider.addEventListener("input", told);
  slider.addEventListener("change", asked);
  told();
  await asked();
}

function facts(point, curve) {
  return figures([["cutoff", number(point.cutoff, 2)], ["precision", percent(point.precision)], ["recall", percent(point.recall)],
    ["cost a customer", number(point.cost)], ["the night's choice", number(curve.cutoff, 2)]]);
}

const ranked = (users) => table([["viewer", (row) => el("a", { href: `#/viewer/${encodeURIComponent(row.user_id)}` }, row.user_id)],
  ["probability", (row) => percent(row.probability), "n"], ["by", (row) => el("span", { class: row.layer }, row.layer)],
  ["as of (UTC)", (row) => minute(row.as_of)]], users, "Viewers at risk");

function draw(place, points) {
  const line = (name, key, kind) => ({ x: points.map((one) => one.cutoff), y: points.map((one) => one[key]), name, mode: "lines", line: { color: colour(kind), width: 2 } });
  return chart(place, [line("precision", "precision", "batch"), line("recall", "recall", "speed"), line("cost a customer", "cost", "bad")],
    { height: 300, xaxis: { title: { text: "cutoff" } }, yaxis: { rangemode: "tozero" } });
}
