#include "entry/handover.hpp"

namespace lightv::entry {

constinit Handover handover;

}  // namespace lightv::entry
