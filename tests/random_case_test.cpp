// The random cases held against what they promise: that all they speak of happens in them, and often.
#include "tests/random_case.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "tests/reference_yard.h"

namespace yard {
namespace {

using reference::Ending, reference::Happenings, reference::Request, reference::rows;

// The seeds of a test: 1,000 from SWITCHYARD_SEED (default 0), or one case where a failure is to be seen again.
Seed first_seed() {
  const char* given = std::getenv("SWITCHYARD_SEED");
  return given ? std::strtoull(given, nullptr, 10) : 0;
}
constexpr Seed kCases = 1000;

TEST(RandomCases, EndEveryRequestOnceAndInOrder) {
  std::printf("seeds %llu to %llu\n", static_cast<unsigned long long>(first_seed()),
              static_cast<unsigned long long>(first_seed() + kCases - 1));
  for (Seed seed = first_seed(); seed < first_seed() + kCases; ++seed) {
    const Case c = random_case(seed);
    SCOPED_TRACE(c.text());
    const auto endings = reference::Simulator(c.fleet, c.costs, c.requests, c.options).run();
    std::vector<std::uint32_t> ended = rows(endings);
    std::sort(ended.begin(), ended.end());
    for (std::uint32_t row = 0; row < ended.size(); ++row) ASSERT_EQ(ended[row], row);
    for (std::size_t i = 0; i < endings.size(); ++i) {
      const Ending& e = endings[i];
      const Request& r = c.requests[e.row];
      SCOPED_TRACE(text_of(e));
      ASSERT_LE(i > 0 ? endings[i - 1].finish : r.arrival, e.finish);
      ASSERT_LE(r.arrival, e.finish);
      ASSERT_EQ(e.output == Tokens(0), e.first_token == Time::never());
      ASSERT_EQ(e.output == Tokens(0), e.last_token == Time::never());
      ASSERT_LE(e.longest, std::min(r.output, r.max_output));
      ASSERT_LE(e.output.count(), e.longest.count() * static_cast<std::int64_t>(r.answers));
      if (e.outcome == Outcome::done || e.output > Tokens(0)) {
        ASSERT_LE(r.arrival, e.admit);
        ASSERT_LE(e.admit, e.finish);
      }
      if (e.output > Tokens(0)) {
        ASSERT_LE(e.admit, e.first_token);
        ASSERT_LE(e.first_token, e.last_token);
        ASSERT_LE(e.last_token, e.finish);
      }
    }
  }
}

TEST(RandomCases, ASeedAlwaysGivesTheSameCaseAndEndings) {
  for (Seed seed = 0; seed < 20; ++seed) {
    const Case a = random_case(seed), b = random_case(seed);
    EXPECT_EQ(reference::Simulator(a.fleet, a.costs, a.requests, a.options).run(),
              reference::Simulator(b.fleet, b.costs, b.requests, b.options).run())
        << a.text();
  }
}

TEST(RandomCases, ContainEveryHappeningOften) {
  Happenings cases{}, times{};
  for (Seed seed = 0; seed < kCases; ++seed) {
    const Case c = random_case(seed);
    reference::Simulator simulator(c.fleet, c.costs, c.requests, c.options);
    simulator.run();
    for (std::size_t i = 0; i < cases.size(); ++i) {
      cases[i] += simulator.happenings()[i] > 0 ? 1 : 0;
      times[i] += simulator.happenings()[i];
    }
  }
  // Those behind are of prefill and decode pools: exact_test.cpp.
  for (std::size_t i = 0; i < static_cast<std::size_t>(reference::Happening::moved); ++i) {
    std::printf("%-36.*s in %4llu of 1000 cases, %7llu times\n", static_cast<int>(reference::kHappeningNames[i].size()),
                reference::kHappeningNames[i].data(), static_cast<unsigned long long>(cases[i]),
                static_cast<unsigned long long>(times[i]));
    EXPECT_GE(cases[i], kCases / 10) << reference::kHappeningNames[i];
  }
}

}  // namespace
}  // namespace yard
