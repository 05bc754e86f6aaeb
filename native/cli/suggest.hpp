// "Did you mean": the nearest of some words.
#pragma once

#include <string_view>
#include <vector>

namespace lightv::cli {

/** Edits from one word to the other: insert, delete, replace, or swap two neighbours (optimal string alignment). */
unsigned editDistance(std::string_view one, std::string_view other);

/** The nearest of `words`, when it is near enough to have been meant: a third of its letters, or it begins so. Else
 * empty. */
std::string_view nearest(std::string_view given, const std::vector<std::string_view>& words);

}  // namespace lightv::cli
