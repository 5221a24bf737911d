// Memory does not grow with the length of a trace: what it needs is what is in flight.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "scheduler/base/sanitized.h"
#include "tests/run_program.h"

namespace yard::testing {
namespace {

long peak_kib(const std::string& requests) {
  const Ran ran = switchyard({"replay", "--trace", "gen:azure-conv?curve=flat&burst=1", "--fleet", "builtin:mixed",
                              "--limit", requests, "--quiet", "--requests-csv", "/dev/null"});
  EXPECT_EQ(ran.code, 0) << ran;
  ::testing::Test::RecordProperty("peak_kib_" + requests, std::to_string(ran.peak_kib));
  return ran.peak_kib;
}

TEST(Memory, TenTimesTheRequestsNeedNoMore) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer keeps what was freed";
  // SWITCHYARD_MORE_REQUESTS=10000000: by hand, as it takes a while
  const char* const more = std::getenv("SWITCHYARD_MORE_REQUESTS");
  const long few = peak_kib("100000"), many = peak_kib(more ? more : "1000000");
  EXPECT_LT(std::abs(many - few), few / 20) << few << " KiB and " << many << " KiB";
}

long peak_in_cells_kib(const std::string& requests) {
  const Ran ran = switchyard({"replay", "--trace", "gen:azure-conv?curve=flat&burst=1&rate=1000", "--fleet",
                              "builtin:cells", "--policy", "least_loaded", "--threads", "2", "--limit", requests,
                              "--quiet", "--requests-csv", "/dev/null"});
  EXPECT_EQ(ran.code, 0) << ran;
  return ran.peak_kib;
}

TEST(Memory, OfAFleetInCellsNeither) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer keeps what was freed";
  const long few = peak_in_cells_kib("50000"), many = peak_in_cells_kib("300000");
  EXPECT_LT(std::abs(many - few), few / 20) << few << " KiB and " << many << " KiB";
}

}  // namespace
}  // namespace yard::testing
