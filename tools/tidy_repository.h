// The rules of tidy_rules.h over a whole checkout.
#pragma once
#include <cstddef>
#include <filesystem>
#include <vector>

#include "tools/tidy_rules.h"

namespace yard::tidy {

struct Report {
  std::size_t files = 0;
  std::vector<Finding> findings;
};

// Checks the sources, scripts and documents under `root`, build folders and dotfolders left out, and that no room's
// CMake target links a room that the table does not let it enter.
// Errors: std::runtime_error where there is no checkout at `root`.
Report check_repository(const std::filesystem::path& root);

// Returns: findings for the yard_room() calls in a CMakeLists.txt.
std::vector<Finding> check_room_targets(std::string_view path, std::string_view text);

}  // namespace yard::tidy
