// The generations: which serves, what its gate said, how far each layer can be trusted, and the way back.

import { get, post } from "./api.js";
import { chart, colour } from "./chart.js";
import { counted, el, head, minute, note, number, panel, table } from "./dom.js";

const BUCKETS = ["0", "1", "2-4", "5-19", "20+"];
// What is measured: METRICS of lambda_arch/fidelity.py.
const METRICS = {
  recommend: "nDCG@10 of what was watched next", segment: "agreement with the segment that full knowledge gives",
  churn: "minus log-loss", sentiment: "agreement of the share of positive posts with full knowledge",
};

export async function open(place) {
  place.append(...head("Models", "What nights made: the generation in service, the one before it, and how good each layer's answers have measured."));
  const told = el("div", { "aria-live": "polite" }), listed = el("div", { id: "generations" });
  place.append(told, panel("Generations", listed));
  await generations(listed, told);
  const fidelity = await get("/v1/fidelity");
  for (const [useCase, layers] of Object.entries(fidelity.use_cases)) await heat(place, useCase, layers);
  await agreement(place);
}

async function generations(place, told) {
  const found = await get("/v1/generations"), previous = found.find((one) => one.state === "previous")?.generation;
  const back = el("button", { class: "danger", type: "button", id: "rollback", disabled: !previous, onclick: () => confirmed(back, place, told) }, previous ? `Back to generation ${previous}` : "Nothing to go back to");
  place.replaceChildren(table([["generation", (row) => row.generation, "n"], ["", (row) => row.state], ["horizon (UTC)", (row) => minute(row.horizon)],
    ["users", (row) => counted(row.users), "n"], ["titles", (row) => counted(row.titles), "n"], ["models", models, "t"]], found, "Generations"), el("p", {}, back));
  const current = found.find((one) => one.state === "current");
  if (current) await verdicts(place, current.generation);
}

const models = (row) => Object.entries(row.models).map(([useCase, model]) => `${useCase}: ${model}${row.trained_in[useCase] === row.generation ? "" : ` of ${row.trained_in[useCase]}`}`).join(", ");

// What the gate said of each model of a night, with its figures.
async function verdicts(place, generation) {
  const report = await get(`/v1/generations/${generation}`), found = Object.entries(report.verdicts ?? {});
  if (!found.length) return;
  place.append(table([["use case", ([useCase]) => useCase], ["verdict", ([, verdict]) => el("span", { class: verdict.accepted ? "good" : "bad" }, verdict.accepted ? "accepted" : "refused")],
    ["by", ([, verdict]) => (verdict.checks ?? []).map((check) => check.sentence).join("; "), "t"]], found, `What the gate said of generation ${generation}`));
}

// Twice, for it changes what everybody is answered.
function confirmed(button, place, told) {
  if (!button.dataset.sure) { button.dataset.sure = "yes"; button.textContent = "Press again to roll back"; return; }
  rolledBack(place, told);
}

async function rolledBack(place, told) {
  try {
    const done = await post("/v1/generations/rollback");
    told.replaceChildren(note(`generation ${done.current} serves`));
    await generations(place, told);
  } catch (error) {
    told.replaceChildren(note(error.message, true));
  }
}

// How well the speed layer knew beforehand what each night would say.
async function agreement(place) {
  const { generations: found } = await get("/v1/agreement"), drawn = el("div", { class: "chart", id: "agreement" });
  place.append(panel("Agreement with the next night", el("p", { class: "soft small" }, "The speed layer's last answers before a night against that night's; 1 is the same. Of what the night could know."),
    found.length ? drawn : el("p", { class: "soft" }, "Nothing yet: the first night has no answers to be held against.")));
  if (!found.length) return;
  const nights = found.toReversed(), names = Object.keys(nights.at(-1).use_cases);
  await chart(drawn, names.map((name) => line(name, nights.filter((night) => night.use_cases[name]?.value != null))),
    { height: 260, xaxis: { title: { text: "generation" }, dtick: 1 }, yaxis: { range: [0, 1.05] }, showlegend: true });
}

const line = (name, nights) => ({ name, mode: "lines+markers", x: nights.map((night) => night.generation), y: nights.map((night) => night.use_cases[name].value),
  error_y: { type: "data", array: nights.map((night) => 2 * night.use_cases[name].standard_error), thickness: 1 } });

async function heat(place, useCase, layers) {
  const drawn = el("div", { class: "chart broad", id: `fidelity-${useCase}` }), names = Object.keys(layers);
  const lags = BUCKETS.filter((lag) => names.some((name) => layers[name][lag]));
  const value = (name, lag) => layers[name][lag]?.value ?? null;
  const text = names.map((name) => lags.map((lag) => { const one = layers[name][lag]; return one ? `${number(one.value)} ± ${number(one.standard_error, 2)}<br>${counted(one.cases)} cases` : ""; }));
  place.append(panel(`Fidelity of ${useCase}`, el("p", { class: "soft small" }, `${METRICS[useCase] ?? "The measure of the night"}, ± its standard error; higher is better. By lag: how many events of the entity the batch layer has not seen.`),
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Fidelity of ${useCase}` }, drawn)));
  await chart(drawn, [{ type: "heatmap", x: lags.map((lag) => `lag ${lag}`), y: names, z: names.map((name) => lags.map((lag) => value(name, lag))), text, texttemplate: "%{text}",
    colorscale: [[0, colour("wash")], [1, colour("batch-soft")]], showscale: false, hoverinfo: "skip" }], { height: 90 + 48 * names.length, yaxis: { autorange: "reversed" }, xaxis: { type: "category" } });
}
