// Who the customers are: the segments, how big, and each one's members for a campaign.

import { get } from "./api.js";
import { chart, colour } from "./chart.js";
import { counted, el, head, panel, percent, table } from "./dom.js";

export async function open(place) {
  place.append(...head("Segments", "Customers by how they behave. Members are those who answer to the segment at the moment of the download, by both layers."));
  const { generation, segments } = await get("/v1/segments");
  const total = segments.reduce((sum, one) => sum + one.members, 0) || 1;
  const drawn = el("div", { class: "chart", id: "sizes" });
  const download = (one, format) => el("a", { class: "button", href: `/v1/segments/${one.segment}/members?format=${format}`, download: `segment-${one.segment}.${format}` }, format.toUpperCase());
  place.append(panel(`Generation ${generation}`, drawn, table([["segment", (row) => row.name], ["number", (row) => row.segment, "n"],
    ["users of the night", (row) => counted(row.members), "n"], ["share", (row) => percent(row.members / total), "n"],
    ["what sets it apart", (row) => row.traits.slice(0, 3).map((trait) => trait.words).join("; "), "t"],
    ["members", (row) => el("span", {}, download(row, "csv"), " ", download(row, "jsonl"))]], segments, "Segments")));
  await chart(drawn, [{ x: segments.map((one) => one.members), y: segments.map((one) => one.name), type: "bar", orientation: "h", marker: { color: colour("batch") } }],
    { height: 60 + 42 * segments.length, yaxis: { autorange: "reversed" } });
}
