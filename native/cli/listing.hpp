// Lists as tables, JSON or by template, in Docker's look.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sys/result.hpp"

namespace lightv::cli {

struct Column {
  const char* key;     // in JSON and templates: "ID"
  const char* header;  // in tables: "SANDBOX ID"
  bool shown = true;   // in the table that is printed when nothing else is asked for
};

/** One value a column, in the same order. */
using Row = std::vector<std::string>;

/** Cells by tab, lines by newline -> aligned with three blanks between, ten columns at least, as Docker's tables. */
std::string alignColumns(std::string_view text);

/**
 * `format` is "" or "table" (the shown columns), "json" (one object a line), "table TEMPLATE" or a template for each
 * row. A wrong template is an error also when there are no rows.
 */
Result<std::string> renderListing(std::span<const Column> columns, const std::vector<Row>& rows,
                                  std::string_view format);

}  // namespace lightv::cli
