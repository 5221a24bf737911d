// Replays of fleets that a test writes down, through the public library.
#pragma once
#include <gtest/gtest.h>
#include <switchyard/replay.h>

#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "tests/scratch.h"

namespace yard {

struct Replays : public ::testing::Test {
  testing::Scratch here;

  // Over the fleet that `fleet_yaml` says.
  switchyard::Replayed replay(std::string_view fleet_yaml, switchyard::Simulation what) const {
    what.fleet = here.with("fleet.yaml", fleet_yaml);
    auto result = switchyard::simulate(what);
    if (const auto* error = std::get_if<switchyard::ConfigError>(&result)) ADD_FAILURE() << error->what();
    return std::get<switchyard::Replayed>(std::move(result));
  }

  static switchyard::Reenacted reenacted(const std::string& recording) {
    auto result = switchyard::reenact(recording);
    if (const auto* error = std::get_if<switchyard::ConfigError>(&result)) ADD_FAILURE() << error->what();
    return std::get<switchyard::Reenacted>(std::move(result));
  }

  // The first whole number after a key of the report.
  static long number_at(const switchyard::Replayed& replayed, std::string_view key) {
    const std::size_t at = replayed.json.find('"' + std::string(key) + '"');
    EXPECT_NE(at, std::string::npos) << key;
    return std::stol(replayed.json.substr(replayed.json.find_first_of("0123456789", at)));
  }
};

}  // namespace yard
