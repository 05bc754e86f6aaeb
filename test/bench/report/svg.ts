/** A small SVG writer: elements as text, all text escaped, colours for light and dark backgrounds. */

export type Attributes = Readonly<Record<string, string | number>>;

export function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

/** `inside` is markup already, or text by text(). Numbers get one digit after the point. Throws for a number that is none. */
export function element(name: string, attributes: Attributes, inside = ""): string {
  const written = Object.entries(attributes).map(
    ([key, value]) => ` ${key}="${typeof value === "number" ? coordinate(value) : escapeXml(value)}"`,
  );
  return inside === "" ? `<${name}${written.join("")}/>` : `<${name}${written.join("")}>${inside}</${name}>`;
}

/** Browsers draw nothing at all for an attribute that says NaN. */
function coordinate(value: number): string {
  if (!Number.isFinite(value)) throw new Error(`${value} is no coordinate`);
  return String(Math.round(value * 10) / 10);
}

export function text(content: string, attributes: Attributes): string {
  return element("text", attributes, escapeXml(content));
}

/** Greys and a blue that can be read on white and on black; where the reader's preference is known, more contrast. */
const STYLE = `
text { font: 13px system-ui, sans-serif; fill: #57606a; }
.title { font-size: 15px; font-weight: 600; }
.own { fill: #0969da; } .own-line { stroke: #0969da; fill: none; stroke-width: 2.5; } .own-text { fill: #0969da; font-weight: 600; }
.other { fill: #9aa3ad; } .other-line { stroke: #9aa3ad; fill: none; stroke-width: 2.5; }
.grid { stroke: #9aa3ad; stroke-opacity: 0.35; stroke-width: 1; }
@media (prefers-color-scheme: dark) {
  text { fill: #c9d1d9; }
  .own { fill: #58a6ff; } .own-line { stroke: #58a6ff; } .own-text { fill: #58a6ff; }
  .other { fill: #6e7681; } .other-line { stroke: #6e7681; }
}`;

/** A picture without a background, with its title for those who hear it. */
export function picture(width: number, height: number, title: string, inside: readonly string[]): string {
  const head = { xmlns: "http://www.w3.org/2000/svg", viewBox: `0 0 ${width} ${height}`, width, height, role: "img" };
  const parts = [element("title", {}, escapeXml(title)), element("style", {}, STYLE), ...inside];
  return `${element("svg", head, `\n${parts.join("\n")}\n`)}\n`;
}
