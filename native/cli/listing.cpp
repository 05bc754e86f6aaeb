#include "cli/listing.hpp"

#include <algorithm>

#include "cli/template.hpp"
#include "sys/json.hpp"
#include "sys/text.hpp"

namespace lightv::cli {

namespace {

constexpr std::size_t kLeastWidth = 10, kPadding = 3;

std::size_t widthOf(std::string_view text) {
  // Code points; continuation bytes of UTF-8 are 10xxxxxx.
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char byte) { return (byte & 0xC0) != 0x80; }));
}

std::string asJson(std::span<const Column> columns, const Row& row) {
  JsonWriter writer;
  writer.beginObject();
  for (std::size_t at = 0; at < columns.size(); ++at) writer.member(columns[at].key, row[at]);
  writer.endObject();
  return writer.text();
}

Row headersOf(std::span<const Column> columns) {
  Row headers;
  for (const Column& column : columns) headers.emplace_back(column.header);
  return headers;
}

std::string plainTable(std::span<const Column> columns, const std::vector<Row>& rows) {
  std::string text;
  const auto add = [&](const Row& row) {
    Row shown;
    for (std::size_t at = 0; at < columns.size(); ++at) {
      if (columns[at].shown) shown.push_back(row[at]);
    }
    text += join(shown, "\t") + "\n";
  };
  add(headersOf(columns));
  for (const Row& row : rows) add(row);
  return alignColumns(text);
}

}  // namespace

std::string alignColumns(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  std::vector<std::vector<std::string>> lines;
  for (const std::string& line : split(text, '\n')) lines.push_back(split(line, '\t'));
  std::vector<std::size_t> widths;
  for (const auto& cells : lines) {
    widths.resize(std::max(widths.size(), cells.size()), kLeastWidth);
    for (std::size_t at = 0; at + 1 < cells.size(); ++at)
      widths[at] = std::max(widths[at], widthOf(cells[at]) + kPadding);
  }
  std::string out;
  for (const auto& cells : lines) {
    for (std::size_t at = 0; at < cells.size(); ++at) {
      out += cells[at];
      if (at + 1 < cells.size()) out.append(widths[at] - widthOf(cells[at]), ' ');
    }
    out += '\n';
  }
  return out;
}

Result<std::string> renderListing(std::span<const Column> columns, const std::vector<Row>& rows,
                                  std::string_view format) {
  if (format.empty() || format == "table") return plainTable(columns, rows);
  std::string text;
  if (format == "json") {
    for (const Row& row : rows) text += asJson(columns, row) + "\n";
    return text;
  }
  const bool table = format.starts_with("table ") || format.starts_with("table\\t");
  if (table) format.remove_prefix(format[5] == ' ' ? 6 : 5);
  const Result<std::string> header = renderTemplate(format, asJson(columns, headersOf(columns)));
  if (!header) return header.error();
  if (table) text += *header + "\n";
  for (const Row& row : rows) {
    const Result<std::string> line = renderTemplate(format, asJson(columns, row));
    if (!line) return line.error();
    text += *line + "\n";
  }
  return table ? alignColumns(text) : text;
}

}  // namespace lightv::cli
