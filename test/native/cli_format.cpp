#include <doctest/doctest.h>

#include "cli/listing.hpp"
#include "cli/pretty.hpp"
#include "cli/template.hpp"
#include "cli/units.hpp"

namespace {

using namespace lightv;
using namespace lightv::cli;

std::string render(std::string_view source, const std::string& json) {
  const auto text = renderTemplate(source, json);
  return text ? *text : "error: " + text.error().message();
}

constexpr Column kColumns[] = {{"ID", "SANDBOX ID"}, {"Names", "NAMES"}, {"State", "STATE", false}};

}  // namespace

TEST_CASE("cli: sizes have Docker's digits and units") {
  CHECK(binarySize(0) == "0B");
  CHECK(binarySize(1536) == "1.5KiB");
  CHECK(binarySize(3'992'977'408) == "3.719GiB");
  CHECK(decimalSize(999) == "999B");
  CHECK(decimalSize(1'234'567) == "1.23MB");
  CHECK(decimalSize(2'030'000'000) == "2.03GB");
}

TEST_CASE("cli: durations are rough as Docker's") {
  CHECK(roughDuration(-5) == "Less than a second");
  CHECK(roughDuration(1) == "1 second");
  CHECK(roughDuration(59) == "59 seconds");
  CHECK(roughDuration(60) == "About a minute");
  CHECK(roughDuration(180) == "3 minutes");
  CHECK(roughDuration(3600) == "About an hour");
  CHECK(roughDuration(2 * 86400) == "2 days");
  CHECK(roughDuration(15 * 86400) == "2 weeks");
  CHECK(roughDuration(70 * 86400) == "2 months");
  CHECK(roughDuration(800LL * 86400) == "2 years");
  CHECK(ago("2026-01-01T00:00:00Z", 1767225600 + 120) == "2 minutes ago");
  CHECK(ago("never", 0) == "N/A");
}

TEST_CASE("cli: points in time are RFC 3339, dates, Unix seconds or durations back from now") {
  std::int64_t seconds = 0;
  std::uint32_t nanos = 0;
  CHECK(parsePointInTime("2026-01-01T00:00:00.5Z", 0, seconds, nanos));
  CHECK(seconds == 1767225600);
  CHECK(nanos == 500'000'000);
  CHECK(parsePointInTime("2026-01-01", 0, seconds, nanos));
  CHECK(seconds == 1767225600);
  CHECK(parsePointInTime("1767225600.25", 0, seconds, nanos));
  CHECK(nanos == 250'000'000);
  CHECK(parsePointInTime("10m", 1000, seconds, nanos));
  CHECK(seconds == 400);
  CHECK_FALSE(parsePointInTime("yesterday", 1000, seconds, nanos));
}

TEST_CASE("cli: tables are aligned with three blanks, and ten columns at least") {
  const auto text = renderListing(kColumns, {{"abc", "web", "running"}, {"0123456789ab", "größe", "exited"}}, "");
  REQUIRE(text.ok());
  CHECK(*text == "SANDBOX ID     NAMES\nabc            web\n0123456789ab   größe\n");
  CHECK(alignColumns("a\tb\tc\n") == "a         b         c\n");
}

TEST_CASE("cli: lists come as JSON lines, by template, or as a table by template") {
  const std::vector<Row> rows = {{"1", "a\"b", "running"}, {"2", "c", "exited"}};
  CHECK(*renderListing(kColumns, rows, "json") ==
        "{\"ID\":\"1\",\"Names\":\"a\\\"b\",\"State\":\"running\"}\n{\"ID\":\"2\",\"Names\":\"c\",\"State\":\"exited\"}"
        "\n");
  CHECK(*renderListing(kColumns, rows, "{{.ID}} {{.State}}") == "1 running\n2 exited\n");
  CHECK(*renderListing(kColumns, rows, "table {{.State}}\\t{{.ID}}") ==
        "STATE     SANDBOX ID\nrunning   1\nexited    2\n");
  CHECK_FALSE(renderListing(kColumns, {}, "{{.Nope}}").ok());
}

TEST_CASE("cli: templates reach into objects, and call Docker's functions") {
  const std::string json =
      R"({"ID":"1","State":{"Running":true,"Pid":7},"Args":["a","b"],"Labels":{"x.y":"1"},"Nil":null})";
  CHECK(render("{{.ID}}-{{.State.Pid}}", json) == "1-7");
  CHECK(render("{{json .State}} {{json .ID}}", json) == R"({"Running":true,"Pid":7} "1")");
  CHECK(render("{{.State | json}}", json) == R"({"Running":true,"Pid":7})");
  CHECK(render("{{index .Labels \"x.y\"}}{{index .Args 1}}", json) == "1b");
  CHECK(render("{{join .Args \",\"}} {{len .Args}} {{upper \"q\"}}", json) == "a,b 2 Q");
  CHECK(render("{{.Args}} {{.Labels}}", json) == "[a b] map[x.y:1]");
  CHECK(render("{{range .Args}}<{{.}}>{{end}}", json) == "<a><b>");
  CHECK(render("{{if .State.Running}}up{{else}}down{{end}}", json) == "up");
  CHECK(render("{{if eq .ID \"2\"}}two{{else}}other{{end}}", json) == "other");
  CHECK(render("{{range .Nil}}x{{else}}none{{end}}", json) == "none");
  CHECK(render("a  {{- .ID -}}  b", json) == "a1b");
  CHECK(render("{{.ID}}\\t{{.ID}}\\n", json) == "1\t1\n");
}

TEST_CASE("cli: wrong templates say what is wrong") {
  const std::string json = R"({"ID":"1","State":{"Pid":7},"Labels":{"a":"1"}})";
  CHECK(render("{{.Nope}}", json) == "error: template: no field .Nope ({{json .}} shows what there is)");
  CHECK(render("{{.Labels.b}}", json) == "<no value>");
  CHECK(render("{{.ID.X}}", json) == "error: template: .X: what comes before it has no fields");
  CHECK(render("{{frob .ID}}", json).starts_with("error: template: no function frob"));
  CHECK(render("{{.ID", json) == "error: template: no closing braces in {{.ID}}");
  CHECK(render("{{if .ID}}x", json) == "error: template: {{if}} or {{range}} without {{end}}");
  CHECK(render("{{end}}", json).starts_with("error: "));
  CHECK(render("{{}}", json).starts_with("error: "));
  CHECK(render("{{json}}", json) == "error: template: wrong number of arguments for json");
}

TEST_CASE("cli: pretty JSON changes only the white space") {
  CHECK(prettyJson(R"([{"a":"x{,:\"","b":[],"c":{}},1])") ==
        "[\n    {\n        \"a\": \"x{,:\\\"\",\n        \"b\": [],\n        \"c\": {}\n    },\n    1\n]");
}
