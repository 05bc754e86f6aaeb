// A sandbox's writable layer: beside its records or, where the kernel takes none there, in memory.
#pragma once

#include <string>
#include <vector>

#include "core/spec.hpp"
#include "monitor/bounded_layer.hpp"
#include "sys/result.hpp"

namespace lightv {

/** The upper and work directories of a layer on disk; both empty: one in memory, that goes with the run. */
struct WritableLayer {
  std::string upper, work;
  BoundedLayer bounded;  // where they lie, when the layer's size is bounded; keep it up to the start's end
};

/**
 * Makes the layer of a sandbox below its `directory`, whose image is mounted at `rootMount`, or gives the one that is
 * there; of `spec` the bound counts. Where the directory lies on an overlay a layer without a bound is in memory, and
 * `warnings` say so. On failure: what could not be made.
 */
Result<WritableLayer> makeWritableLayer(const Spec& spec, const std::string& directory, int rootMount,
                                        std::vector<std::string>& warnings);

}  // namespace lightv
