// Where the tests of topology find real machines' descriptions, and what is said to be in them.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "scheduler/base/input_error.h"
#include "topology/discover.h"
#include "topology/host.h"

namespace yard::testing {

inline std::filesystem::path topology_data() {
  const char *data = std::getenv("SWITCHYARD_DATA_DIR"), *source = std::getenv("SWITCHYARD_SOURCE_DIR");
  const std::filesystem::path root = data ? data : std::filesystem::path(source ? source : ".") / "../shared/data";
  return root / "topology";
}

// Every hwloc XML there, sorted; empty where the folder is absent.
inline std::vector<std::filesystem::path> xml_files() {
  std::vector<std::filesystem::path> files;
  for (const char* folder : {"hwloc_xml", "mpibind_xml"}) {
    std::error_code error;
    for (std::filesystem::directory_iterator at(topology_data() / folder, error), end; !error && at != end; ++at)
      if (at->path().extension() == ".xml") files.push_back(at->path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

inline Host host_of(const char* file) { return host_from_xml((topology_data() / file).string()); }

inline bool refused(const std::string& xml) {
  try {
    host_from_xml_text(xml, "cut.xml");
  } catch (const InputError& e) {
    EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos) << e.what();
    EXPECT_LT(std::string(e.what()).size(), 400u) << e.what();
    return true;
  }
  return false;
}

template <class Predicate>
std::size_t count_devices(const Host& host, Predicate predicate) {
  return static_cast<std::size_t>(std::count_if(host.devices.begin(), host.devices.end(), predicate));
}

}  // namespace yard::testing

#define SKIP_WITHOUT_TOPOLOGY_DATA() \
  if (yard::testing::xml_files().empty()) GTEST_SKIP() << "no hwloc XML under " << yard::testing::topology_data()
