#include "cli/create_options.hpp"
#include "cli/describe.hpp"
#include "cli/output.hpp"
#include "cli/pretty.hpp"
#include "cli/template.hpp"
#include "cli/verbs.hpp"

namespace lightv::cli {

namespace {

constexpr Flag kInspectFlags[] = {
    {.name = "format",
     .letter = 'f',
     .value = "FORMAT",
     .help = "json, or a template such as '{{.State.Status}}'",
     .words = "json"},
    {.name = "type", .value = "TYPE", .help = "Look only for a sandbox or an image", .words = "sandbox image"},
};

Result<std::string> describeImage(const Engine& engine, const std::string& name) {
  const ImageStore store = engine.images();
  std::string path;
  const Result<ImageInfo> image = store.resolve(name, path);
  if (!image) return image.error();
  std::vector<std::string> names;
  if (const Result<std::vector<ImageRef>> refs = store.refs()) {
    for (const ImageRef& ref : *refs) {
      if (ref.digest == image->digest) names.push_back(ref.name);
    }
  }
  return inspectImage(*image, names);
}

/** A sandbox if there is one of that name, else an image. */
Result<std::string> describeObject(const Engine& engine, const std::string& name, const std::string& type) {
  if (type != "image") {
    const Result<std::string> id = engine.find(name);
    if (id) {
      const Result<SandboxInfo> info = engine.info(*id);
      if (!info) return info.error();
      return inspectSandbox(engine, *info);
    }
    if (type == "sandbox" || id.error().err != ENOENT) return id.error();
  }
  Result<std::string> image = describeImage(engine, name);
  if (!image && image.error().err == ENOENT && type.empty()) {
    return Error{"no such sandbox or image: " + name, 0, "", "lightv ps -a and lightv images list what there is"};
  }
  return image;
}

int runInspect(const Engine& engine, const Parsed& parsed) {
  const std::string type = parsed.text("type");
  if (!type.empty() && type != "sandbox" && type != "image") {
    return fail(parsed, invalidValue("type", type, "sandbox or image"), kEngineFailed);
  }
  const std::string format = parsed.text("format");
  int code = 0;
  std::string list;
  for (const std::string& name : parsed.args) {
    Result<std::string> object = describeObject(engine, name, type);
    if (object && !format.empty() && format != "json") object = renderTemplate(format, *object);
    if (!object) {
      code = fail(parsed, object.error());
    } else if (!format.empty() && format != "json") {
      print(*object + "\n");
    } else {
      list += (list.empty() ? "" : ",") + *object;
    }
  }
  if (format.empty()) print(prettyJson("[" + list + "]") + "\n");
  if (format == "json") print("[" + list + "]\n");
  return code;
}

}  // namespace

constinit const Verb kInspect = {.name = "inspect",
                                 .group = Group::common,
                                 .usage = "[OPTIONS] SANDBOX|IMAGE [SANDBOX|IMAGE...]",
                                 .summary = "Show all about sandboxes and images",
                                 .flags = [] { return FlagTables{kInspectFlags}; },
                                 .minArgs = 1,
                                 .maxArgs = kMany,
                                 .offer = Offer::object,
                                 .run = runInspect};

}  // namespace lightv::cli
