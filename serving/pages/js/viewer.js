// One viewer: what each layer says, who won and why, and how a view just posted changes the answer.

import { get, post, user } from "./api.js";
import { ago, bar, counted, el, field, head, minute, note, number, panel, percent, table } from "./dom.js";

const POLL_MS = 40, PATIENCE_MS = 20000;
const SHOWN = 15;
const OFFERS = [0, 3, 5, 10];
let offers = 3; // new titles: as was chosen last, for whichever viewer
const USE_CASES = ["recommend", "segment", "churn"];

export async function open(place, [id]) {
  const input = el("input", { id: "viewer-id", name: "viewer", required: true, maxlength: "128", autocomplete: "off", value: id ?? "" });
  const asked = el("form", { onsubmit: (event) => { event.preventDefault(); location.hash = `#/viewer/${encodeURIComponent(input.value)}`; } },
    field("Viewer's id", input), el("button", { class: "main" }, "Look up"));
  place.append(...head("Viewer", "Both layers' answers side by side, which of them is given, and why."), asked);
  if (!id) return;
  const answers = el("div", { id: "answers" }), told = el("div", { id: "told", "aria-live": "polite" });
  place.append(told, answers);
  const seen = await layers(id);
  show(answers, told, id, seen, null);
}

const layers = (id) => get(user(id, "layers"));

function show(place, told, id, seen, before) {
  const watch = (title) => watched(place, told, id, seen, title);
  place.replaceChildren(...USE_CASES.filter((name) => name in seen.use_cases).map((name) => useCase(name, id, seen, before, watch)), ...because(id));
}

function useCase(name, id, seen, before, watch) {
  const { batch, speed, answer } = seen.use_cases[name];
  const heading = { recommend: "What to watch", segment: "Segment", churn: "Likely to cancel" }[name];
  const sides = [["batch", batch], ["speed", speed]].map(([layer, record]) => side(name, layer, record, batch, speed, seen, before, answer));
  const given = el("p", {}, el("span", { class: `tag ${answer.layer}` }, answer.layer), ` ${answer.decision.sentence}.`);
  const answered = name === "recommend" && el("div", {}, el("h3", { class: "small" }, "The answer"), listed(answer.value.items, watch), ...newcomers(id, watch));
  return panel(heading, given, el("div", { class: "grid" }, sides, answered));
}

function side(name, layer, record, batch, speed, seen, before, answer) {
  const heading = el("h3", { class: `small ${layer}` }, `${layer} says${answer.layer === layer ? " (given)" : ""}`);
  if (!record) return el("div", {}, heading, el("p", { class: "soft" }, "nothing"));
  const ageOf = (one) => Math.max(1, (Date.parse(seen.now) - Date.parse(one.as_of)) / 1000);
  const age = ageOf(record), newest = [batch, speed].filter(Boolean).map(ageOf);
  const facts = el("p", { class: "small soft" }, `${ago(age)} old, as of ${record.as_of.slice(0, 19)}Z, ${counted(record.evidence)} events, generation ${record.generation}`);
  const body = name === "recommend" ? differing(layer, record, layer === "batch" ? speed : batch, seen, before) : value(name, record.value);
  return el("div", { class: `${layer}-list` }, heading, bar(age / Math.max(...newest), layer, `${ago(age)} old`), facts, body);
}

function differing(layer, record, other, seen, before) {
  const others = new Set(other?.value.titles), had = new Set(before?.use_cases.recommend[layer]?.value.titles);
  return el("ol", { class: "titles" }, record.value.titles.slice(0, SHOWN).map((id) => {
    const kinds = [other && !others.has(id) && "only", before && !had.has(id) && "new"].filter(Boolean).join(" ");
    return el("li", { class: kinds }, el("span", { class: "name" }, seen.names[id] ?? id));
  }));
}

// Titles that came up since the night, which neither layer's list can have: as many as are chosen.
function newcomers(id, watch) {
  const list = el("div", { id: "new-titles", "aria-live": "polite" });
  const choice = el("select", { id: "new-count", onchange: () => { offers = Number(choice.value); offered(list, id, watch); } },
    OFFERS.map((count) => el("option", { value: String(count), selected: count === offers }, count ? `up to ${count}` : "none")));
  offered(list, id, watch);
  return [el("h3", { class: "small" }, "New since the night"), el("div", { class: "choice" }, field("How many new titles", choice)), list];
}

async function offered(list, id, watch) {
  const count = offers;
  try {
    // With reasons: who looks into it is no viewer, and what they see is not counted as shown.
    const found = count ? (await get(user(id, `recommendations?n=${SHOWN}&new=${count}&explain=true`))).value.new : null;
    if (count !== offers) return; // another number was chosen meanwhile
    const none = el("p", { class: "soft" }, "No title that came up since the night suits this viewer.");
    list.replaceChildren(...(found ? [found.length ? listed(found, watch, ofWhom) : none] : []));
  } catch (error) {
    list.replaceChildren(note(error.message, true));
  }
}

const ofWhom = ({ viewers, content }) => el("span", { class: "soft small" }, `of ${counted(viewers)} viewer${viewers === 1 ? "" : "s"}${content ? " and its content" : ""}`);

function listed(items, watch, facts = () => null) {
  return el("ol", { class: "titles" }, items.slice(0, SHOWN).map((item) => el("li", {}, el("span", { class: "name" }, item.name ?? item.title_id), facts(item),
    el("button", { class: "little", type: "button", onclick: () => watch(item), "aria-label": `${item.name ?? item.title_id}: watched this` }, "watched this"))));
}

function value(name, told) {
  if (name === "segment") return el("p", {}, told.name, told.distance === null ? "" : `, ${number(told.distance)} from its centre`);
  return el("div", {}, el("p", {}, percent(told.probability), told.at_risk ? " – at risk" : ""), bar(told.probability ?? 0, told.at_risk ? "bad" : "good", percent(told.probability)));
}

// Post a view and ask again until the speed layer has seen it: what the reader is told is the whole way round.
async function watched(place, told, id, seen, item) {
  const name = item.name ?? item.title_id, evidence = seen.use_cases.recommend.speed?.evidence ?? -1;
  for (const button of place.querySelectorAll("button")) button.disabled = true;
  told.replaceChildren(note(`sending: ${id} watched ${name}`));
  try {
    const event = { event_id: crypto.randomUUID(), event_type: "view", user_id: id, title_id: item.title_id, event_time: seen.now, value: 1 };
    const began = performance.now();
    await post("/v1/events", event);
    const accepted = performance.now() - began;
    const now = await changed(id, evidence, began);
    const taken = Math.round(performance.now() - began);
    show(place, told, id, now, seen);
    told.replaceChildren(note(`${name}: accepted by Kafka after ${Math.round(accepted)} ms, the answer changed after ${taken} ms`));
    told.firstChild.dataset.milliseconds = taken;
  } catch (error) {
    for (const button of place.querySelectorAll("button")) button.disabled = false;
    told.replaceChildren(note(error.message, true));
  }
}

async function changed(id, evidence, began) {
  while (performance.now() - began < PATIENCE_MS) {
    const seen = await layers(id);
    if ((seen.use_cases.recommend.speed?.evidence ?? -1) > evidence) return seen;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw new Error(`the view is in Kafka, and the speed layer has not told of it within ${PATIENCE_MS / 1000} s: is it running? (lambda-arch status)`);
}

// History at once, and reasons when they are asked for: of one look.
function because(id) {
  const history = el("div", { id: "history" }), place = el("div", { id: "because" }), behind = get(user(id, "explain"));
  const ask = el("button", { type: "button", onclick: () => { ask.remove(); explained(place, behind); } }, "Why these?");
  watchedLately(history, behind);
  return [panel("History", history), panel("Why", place, ask)];
}

async function watchedLately(place, behind) {
  try {
    const told = (await behind).made_of.recommend;
    if (!told) { place.append(el("p", { class: "soft" }, "Nothing is known that this viewer watched.")); return; }
    place.append(el("p", { class: "soft small" }, `The newest of ${counted(told.history)} titles; the night knew those of batch, those of speed came since.`),
      table([["title", (row) => row.name ?? row.title_id], ["at (UTC)", (row) => minute(row.at)], ["known by", (row) => el("span", { class: `tag ${row.known_by}` }, row.known_by)]], told.newest, "History"));
  } catch (error) {
    place.append(note(error.message, true));
  }
}

async function explained(place, behind) {
  try {
    const { made_of: parts, names } = await behind;
    place.append(el("div", { class: "grid wide" }, parts.recommend && reasons(parts.recommend, names), parts.churn && pushes(parts.churn), parts.segment && distances(parts.segment)));
    if (!place.querySelector("table")) place.append(el("p", { class: "soft" }, "Nobody knows this viewer yet: what is given is what is popular."));
  } catch (error) {
    place.append(note(error.message, true));
  }
}

const reasons = ({ history, titles }, names) => el("div", {}, el("h3", { class: "small" }, `Of ${counted(history)} titles watched, these brought each title up`),
  table([["title", (row) => row.name ?? row.title_id], ["because of", (row) => row.because.map((one) => one.name ?? names[one.title_id] ?? one.title_id).join(", ")]], titles, "Why these titles"));

const pushes = ({ log_odds, reasons: found }) => el("div", {}, el("h3", { class: "small" }, `What pushes towards cancelling, and away (log-odds ${number(log_odds)})`),
  table([["feature", (row) => row.feature], ["adds", (row) => el("span", { class: row.contribution > 0 ? "bad" : "good" }, number(row.contribution, 2)), "n"],
    ["against the usual", (row) => number(row.against_usual, 2), "n"]], found.slice(0, SHOWN), "What adds to churn"));

const distances = ({ distances: found }) => el("div", {}, el("h3", { class: "small" }, "How far from each segment"),
  table([["segment", (row) => row.name], ["distance", (row) => number(row.distance), "n"]], found, "Distances"));
