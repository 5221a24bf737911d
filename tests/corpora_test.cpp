// The naughty corpora as every kind of file that we read: nothing but one line each, in bounded memory.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "scheduler/base/input_error.h"
#include "scheduler/cost/compile_fleet.h"
#include "scheduler/loop/reenact.h"
#include "scheduler/trace/trace.h"
#include "tests/trace_files.h"
#include "topology/discover.h"

namespace yard::testing {
namespace {

std::vector<std::string> files_under(const std::filesystem::path& folder) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) paths.push_back(entry.path().string());
  std::sort(paths.begin(), paths.end());
  return paths;
}

// Returns: "", or what reading said; anything else than an InputError fails the test by leaving it.
template <class Read>
std::string answer(const Read& read) {
  try {
    read();
  } catch (const InputError& e) {
    return e.what();
  }
  return "";
}

long peak_kib() {
  rusage use{};
  ::getrusage(RUSAGE_SELF, &use);
  return use.ru_maxrss;
}

TEST(Corpora, EveryReaderRefusesEveryFileInOneLine) {
  NEED_SHARED_DATA(folder, "corpora");
  const long before = peak_kib();
  std::size_t seen = 0;
  for (const std::string& path : files_under(folder)) {
    ++seen;
    const bool empty = std::filesystem::file_size(path) == 0;
    const std::string as_trace = answer([&] { rows_of(path); });
    const std::string as_fleet = answer([&] { compile_fleet(load_fleet(path)); });
    const std::string as_recording = answer([&] { reenact(path); });
    const std::string as_host = answer([&] { host_from_xml(path); });
    for (const std::string& said : {as_trace, as_fleet, as_recording, as_host}) {
      EXPECT_EQ(said.find('\n'), std::string::npos) << path << ": " << said;
      EXPECT_LT(said.size(), 2000u) << path;
    }
    EXPECT_FALSE(as_trace.empty()) << path;
    EXPECT_FALSE(as_fleet.empty()) << path;
    EXPECT_FALSE(as_host.empty()) << path;
    EXPECT_NE(as_recording.empty(), !empty) << path << ": " << as_recording;  // an empty one is cut at byte 0
  }
  EXPECT_GT(seen, 500u);
  EXPECT_LT(peak_kib() - before, 512 << 10) << "KiB";
}

}  // namespace
}  // namespace yard::testing
