// The part of Go's text/template that people use with `docker … --format`, over JSON.
#pragma once

#include <string>
#include <string_view>

#include "sys/result.hpp"

namespace lightv::cli {

/**
 * Renders `source` with `json` as the dot: `{{.A.B}}`, `{{json .}}`, `{{index .Labels "a"}}`, `{{join .Args " "}}`,
 * `{{len .X}}`,
 * `{{upper .X}}`, `{{lower .X}}`, `{{eq .X "a"}}`, `{{ne .X "a"}}`, `{{not .X}}`, `{{range .X}}…{{else}}…{{end}}`,
 * `{{if .X}}…{{else}}…{{end}}`, pipes between them, and `{{-` `-}}`. Outside of actions `\t` and `\n` stand for tab and
 * newline. An unknown field or function is an error that names it, except inside of maps that users fill (labels),
 * where it is "<no value>".
 */
Result<std::string> renderTemplate(std::string_view source, const std::string& json);

}  // namespace lightv::cli
