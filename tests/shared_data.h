// Where the shared data are: real traces, measured costs, topologies. They are in no repository; a test that needs them
// skips without, saying so.
#pragma once
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string_view>

namespace yard::testing {

// Returns: a file or folder of shared data, or nothing where it is absent.
inline std::filesystem::path shared_data(std::string_view below) {
  const char* const given = std::getenv("SWITCHYARD_DATA_DIR");
  const char* const source = std::getenv("SWITCHYARD_SOURCE_DIR");
  const std::filesystem::path folder =
      (given ? std::filesystem::path(given) : std::filesystem::path(source ? source : ".") / "../shared/data") / below;
  return std::filesystem::exists(folder) ? folder : std::filesystem::path();
}

}  // namespace yard::testing

#define NEED_SHARED_DATA(variable, below)                                     \
  const std::filesystem::path variable = ::yard::testing::shared_data(below); \
  if (variable.empty()) GTEST_SKIP() << "no " << (below) << " in SWITCHYARD_DATA_DIR (../shared/data)"
