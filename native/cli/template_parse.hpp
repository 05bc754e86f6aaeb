// A template's text as nodes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sys/result.hpp"

namespace lightv::cli {

enum class NodeKind { text, action, range, condition, otherwise, end };

struct TemplateNode {
  NodeKind kind = NodeKind::text;
  std::string text;                // of text nodes
  std::vector<std::string> words;  // of the others: ".A.B", "json", "\"quoted\"" (with its first quote only), "|"
};

/** Cuts a template into nodes; EINVAL for an action that doesn't end and for blocks that don't match. */
Result<std::vector<TemplateNode>> parseTemplate(std::string_view source);

}  // namespace lightv::cli
