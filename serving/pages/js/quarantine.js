// What was refused, why, and how it gets in after a fix.

import { get } from "./api.js";
import { chart, colour } from "./chart.js";
import { counted, el, head, panel, table } from "./dom.js";

export async function open(place) {
  place.append(...head("Quarantine", "Records that broke a rule, kept as they came. After a fix they are sent again, once."));
  const told = await get("/v1/quarantine");
  const reasons = Object.entries(told.reasons).sort((one, other) => other[1] - one[1]);
  const drawn = el("div", { class: "chart", id: "reasons" });
  const samples = table([["reason", (row) => row.reason], ["from", (row) => `${row.topic}/${row.partition}/${row.offset}`], ["seen", (row) => row.seen_at?.slice(0, 19) ?? ""],
    ["record", (row) => el("pre", {}, row.record)]], told.samples, "Samples");
  place.append(panel(`${counted(told.records)} records`, reasons.length ? drawn : el("p", { class: "soft" }, "Nothing was refused.")),
    panel("Samples", samples), panel("Send again", el("p", {}, "A fix is a Spark SQL expression; both run where Spark is:"),
      el("pre", {}, "lambda-arch quarantine fix --reason bad_time --set \"event_time = concat(event_time, 'Z')\"\nlambda-arch quarantine replay")));
  if (reasons.length) {
    await chart(drawn, [{ x: reasons.map(([, count]) => count), y: reasons.map(([reason]) => reason), type: "bar", orientation: "h", marker: { color: colour("bad") } }],
      { height: 80 + 30 * reasons.length, yaxis: { autorange: "reversed" } });
  }
}
