// What the audience feels about a title: the share of positive posts by day, where it is headed, and a text weighed.

import { get, title } from "./api.js";
import { chart, colour } from "./chart.js";
import { counted, el, field, figures, head, note, number, panel, percent, table } from "./dom.js";

export async function open(place, [id]) {
  const input = el("input", { id: "title-id", name: "title", required: true, maxlength: "128", autocomplete: "off", value: id ?? "" });
  const asked = el("form", { onsubmit: (event) => { event.preventDefault(); location.hash = `#/sentiment/${encodeURIComponent(input.value)}`; } },
    field("Title's id", input), el("button", { class: "main" }, "Look up"));
  const talked = el("div", { id: "trending" });
  place.append(...head("Sentiment", "What the audience feels about a title, and where that is headed."), asked);
  if (id) await feeling(place, id);
  if (id) place.append(weighed(id));
  place.append(panel("Talked about more or less than usual", talked));
  await trending(talked);
}

async function feeling(place, id) {
  const answer = await get(title(id, "sentiment"));
  const { value, decision } = answer, drawn = el("div", { class: "chart", id: "series" });
  const ahead = value.forecast ? `${percent(value.forecast.week.share)} (${percent(value.forecast.week.low)} to ${percent(value.forecast.week.high)})` : "–";
  const shown = figures([["positive posts", `${percent(value.positive)}`], ["95 % interval", `${percent(value.low, 0)} to ${percent(value.high, 0)}`],
    ["posts", counted(value.posts)], ["trend", value.trend?.direction ?? "–"], ["in a week", ahead], ["talked about", value.pace?.direction ?? "–"]]);
  place.append(panel(`Title ${id}`, el("p", {}, el("span", { class: `tag ${answer.layer}` }, answer.layer), ` ${decision.sentence}.`), shown,
    value.days ? drawn : el("p", { class: "soft" }, "No post about it yet.")));
  if (value.days) await series(drawn, answer);
}

async function series(place, { value, as_of }) {
  const newest = Date.parse(`${as_of.slice(0, 10)}T00:00:00Z`), day = 86400000;
  const days = value.days.map(([posts, positive], back) => [new Date(newest - back * day).toISOString().slice(0, 10), posts, positive]).reverse();
  const known = days.filter(([, posts]) => posts);
  const ahead = value.forecast && [["day", 1], ["week", 7]].map(([name, count]) => [new Date(newest + count * day).toISOString().slice(0, 10), value.forecast[name]]);
  await chart(place, [
    { x: days.map(([at]) => at), y: days.map(([, posts]) => posts), name: "posts", type: "bar", marker: { color: colour("line") } },
    { x: known.map(([at]) => at), y: known.map(([, posts, positive]) => positive / posts), name: "positive", mode: "lines+markers", yaxis: "y2", line: { color: colour("batch") } },
    ...(ahead ? [{ x: ahead.map(([at]) => at), y: ahead.map(([, told]) => told.share), name: "forecast", mode: "lines+markers", yaxis: "y2", line: { color: colour("speed"), dash: "dot" },
      error_y: { type: "data", symmetric: false, array: ahead.map(([, told]) => told.high - told.share), arrayminus: ahead.map(([, told]) => told.share - told.low) } }] : []),
  ], { height: 300, yaxis: { side: "right", showgrid: false, rangemode: "tozero", title: { text: "posts a day" }, nticks: 5, tickformat: "d" },
    yaxis2: { overlaying: "y", side: "left", range: [0, 1], tickmode: "linear", dtick: 0.25, tickformat: ".0%", gridcolor: colour("line"), automargin: true, title: { text: "positive posts" } }, margin: { l: 48, r: 48, t: 12, b: 40 } });
}

// A text as the model reads it: each word it knows, coloured by which way it pulls.
function weighed(id) {
  const text = el("textarea", { id: "text", rows: "2", cols: "60", maxlength: "2000", required: true }), said = el("p", { class: "words", id: "words", "aria-live": "polite" });
  const asked = async (event) => {
    event.preventDefault();
    try {
      const { words } = await get(`${title(id, "explain")}?text=${encodeURIComponent(text.value)}`);
      said.replaceChildren(...(words?.text?.length ? words.text.flatMap(word) : ["The model knows none of these words."]));
    } catch (error) {
      said.replaceChildren(note(error.message, true));
    }
  };
  return panel("What a post's words say", el("form", { onsubmit: asked }, field("A post", text), el("button", {}, "Weigh it")),
    el("p", { class: "soft small" }, "With each word goes how much it speaks for positive (+) or against it (-)."), said);
}

function word({ word: token, weights }) {
  const pull = weights.positive ?? 0, shown = el("span", { title: Object.entries(weights).map(([name, weight]) => `${name} ${number(weight, 2)}`).join(", ") }, `${token} `);
  if (pull) shown.className = pull > 0 ? "good" : "bad";
  return [shown, el("small", { class: "soft" }, `${pull > 0 ? "+" : ""}${number(pull, 2)} `)];
}

async function trending(place) {
  try {
    const { titles } = await get("/v1/trending");
    if (!titles.length) { place.append(el("p", { class: "soft" }, "No title is talked about more or less than usual.")); return; }
    place.append(table([["title", (row) => el("a", { href: `#/sentiment/${encodeURIComponent(row.title_id)}` }, row.name ?? row.title_id)],
      ["", (row) => el("span", { class: row.direction === "rising" ? "good" : "bad" }, row.direction)], ["posts in 24 h", (row) => counted(row.posts), "n"],
      ["usual in 24 h", (row) => number(row.usual), "n"], ["difference in standard errors", (row) => number(row.score), "n"]], titles, "Trending titles"));
  } catch (error) {
    place.append(note(error.message, true));
  }
}
