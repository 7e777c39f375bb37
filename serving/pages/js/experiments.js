// Experiments under way: who sees which arm, what came of it, and whether that may be told yet.

import { get } from "./api.js";
import { counted, el, head, panel, percent, table } from "./dom.js";

export async function open(place) {
  place.append(...head("Experiments", "Viewers are split by their id, always alike. Intervals hold however often one looks."));
  const { experiments } = await get("/v1/experiments");
  if (!experiments.length) place.append(panel("None", el("p", { class: "soft" }, "No experiment is configured: serving.experiments in the settings.")));
  for (const one of experiments) place.append(panel(one.name, el("p", {}, one.verdict ?? ""), arms(one)));
}

const arms = (one) => table([["arm", (row) => row.arm], ["share", (row) => percent(row.share), "n"], ["viewers", (row) => counted(row.users), "n"],
  ["outcome", (row) => percent(row.rate), "n"], ["95 % interval", (row) => (row.low === undefined || row.low === null ? "" : `${percent(row.low)} to ${percent(row.high)}`), "n"]], one.arms, one.name);
