// What came of answers: experiments with the difference as it may be told at any look, and how often lists were a hit.

import { get } from "./api.js";
import { counted, el, head, number, panel, percent, table } from "./dom.js";

export async function open(place) {
  place.append(...head("Experiments", "A part of the audience is answered otherwise, the same person always alike. The intervals hold however often one looks."));
  const { experiments, reports } = await get("/v1/experiments");
  if (!experiments.length) place.append(panel("None", el("p", { class: "soft" }, "No experiment is configured: serving.experiments in the settings.")));
  for (const one of experiments) place.append(panel(one.name, ...described(one), ...told(reports.find((report) => report.experiment === one.name), one)));
  place.append(hits(await get("/v1/hit-rate")));
}

const hits = ({ hours, layers }) => panel("Hit rate", el("p", { class: "soft" }, hours === null ? "Not reported yet: lambda-arch hit-rate" : `Of the lists that were sent, the share of which a title was watched within ${hours} h. Layers answer different people: these rates describe, experiments compare.`),
  hours !== null && table([["layer", ([layer]) => el("span", { class: `tag ${layer}` }, layer)], ["hit rate", ([, one]) => `${percent(one.hit_rate)} ± ${percent(one.standard_error)}`, "n"],
    ["lists", ([, one]) => counted(one.lists), "n"], ["users", ([, one]) => counted(one.users), "n"]], Object.entries(layers), "Hit rate by layer"));

function described(one) {
  const what = (arm) => [...Object.entries(arm.policy ?? {}).map(([key, value]) => `${key}: ${value}`), arm.placement && `placement ${arm.placement}`].filter(Boolean).join(", ");
  const share = `${one.use_case}, ${percent(one.share)} of those asked about${one.shadow ? "; in the shadow: logged, not shown" : ""}`;
  return [el("p", { class: "soft" }, share), table([["arm", ([name]) => name], ["gets", ([, arm]) => what(arm) || "what everybody gets"], ["weight", ([, arm]) => arm.weight, "n"]],
    Object.entries(one.arms), `Arms of ${one.name}`)];
}

function told(report, one) {
  if (one.shadow) return [];
  if (!report) return [el("p", { class: "soft" }, "Not reported yet: lambda-arch experiments report")];
  const against = (arm) => report.comparisons[arm];
  return [el("p", {}, `${report.outcome} within ${report.hours} h, against ${report.against}`), table([["arm", ([arm]) => arm], ["users", ([, tally]) => counted(tally.users), "n"],
    ["share", ([, tally]) => percent(tally.share), "n"], ["95 % interval", ([, tally]) => `${percent(tally.low)} to ${percent(tally.high)}`, "n"],
    ["difference, at any look", ([arm]) => (against(arm) ? `${percent(against(arm).low)} to ${percent(against(arm).high)}` : ""), "n"],
    ["p", ([arm]) => (against(arm) ? number(against(arm).p_value) : ""), "n"]], Object.entries(report.arms), `Report of ${one.name}`)];
}
