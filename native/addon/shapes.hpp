// What the addon gives as JSON text and the engine has no words for.
#pragma once

#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "image/image.hpp"

namespace lightv::addon {

using lightv::toJson;  // SandboxInfo, ExitInfo

/** `{"pid","warnings"}` */
std::string toJson(const Started& started);
/** `{"id","pid","warnings"}` */
std::string toJson(const std::string& id, const Started& started);
/** Flat; what this machine does not count is absent. */
std::string toJson(const SandboxStats& stats);
std::string toJson(const std::vector<SandboxInfo>& all);
/** `{"digest","name","os","architecture","created","fileSize","erofsSize","chunkCount","manifest":{…}}` */
std::string toJson(const ImageInfo& image);

}  // namespace lightv::addon
