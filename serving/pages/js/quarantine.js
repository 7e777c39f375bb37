// What was refused, why, and how it gets in after a fix.

import { get } from "./api.js";
import { chart, colour } from "./chart.js";
import { counted, el, head, minute, panel, table } from "./dom.js";

export async function open(place) {
  place.append(...head("Quarantine", "Records that broke a rule, kept as they came. After a fix they are sent again, once."));
  const told = await get("/v1/quarantine");
  const reasons = told.reasons.map(({ reason, records }) => [reason, records]).sort((one, other) => other[1] - one[1]);
  const drawn = el("div", { class: "chart", id: "reasons" });
  const samples = table([["reason", (row) => row.reason], ["from", (row) => row.coordinates], ["seen (UTC)", (row) => minute(row.seen_at)],
    ["record", (row) => el("pre", {}, row.value)]], told.samples, "Samples");
  place.append(panel(`${counted(told.held)} records in the topic, the newest ${counted(told.looked_at)} by reason`, reasons.length ? drawn : el("p", { class: "soft" }, "Nothing was refused.")),
    panel("Samples", samples), panel("Send again", el("p", {}, "Where Spark is, after a fix:"), el("pre", {}, told.reasons.map(({ replay }) => replay).join("\n") || "lambda-arch quarantine replay")));
  if (reasons.length) {
    await chart(drawn, [{ x: reasons.map(([, count]) => count), y: reasons.map(([reason]) => reason), type: "bar", orientation: "h", marker: { color: colour("bad") } }],
      { height: 80 + 30 * reasons.length, yaxis: { autorange: "reversed" } });
  }
}
