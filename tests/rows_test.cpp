// The per-request CSV: what is in a cell, and what is not.
#include "scheduler/report/rows.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <limits>

#include "scheduler/base/input_error.h"
#include "tests/report_builders.h"

namespace yard {
namespace {

using namespace test;

constexpr std::string_view kHead =
    "id,model,class,tenant,prompt_tokens,output_tokens,cached_tokens,arrival_ns,admit_ns,first_token_ns,finish_ns,pool,"
    "device,outcome,reason,preemptions\n";

std::string temporary_path() {
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  return std::filesystem::temp_directory_path() / (std::string(test->name()) + std::to_string(::getpid()) + ".csv");
}

std::string contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Returns: the file after one row, without its head.
std::string row_of(const FleetView& fleet, std::uint64_t id, const Finish& f) {
  const std::string path = temporary_path();
  RowWriter rows(path, fleet);
  rows.write(id, f);
  rows.commit();
  const std::string all = contents(path);
  std::filesystem::remove(path);
  EXPECT_TRUE(all.starts_with(kHead)) << all;
  return all.substr(std::min(kHead.size(), all.size()));
}

TEST(Rows, ADoneRequestFillsItsCells) {
  Finish f = done(SloClassId{0}, nanoseconds(40), nanoseconds(10), 4, Time(1'000));
  f.account.admit = Time(1'010);
  f.account.preemptions = 2;
  EXPECT_EQ(row_of(small_fleet(), 17, f),
            "17,llama-8b,interactive,everyone,100,4,0,1000,1010,1040,1070,fast,0,done,,2\n");
}

TEST(Rows, DeviceIsTheReplicasNumberWithinItsPool) {
  Finish f = done(SloClassId{0}, nanoseconds(40), nanoseconds(10), 4);
  f.account.device = DeviceId{4};
  EXPECT_NE(row_of(small_fleet(), 0, f).find(",slow,2,done,"), std::string::npos);
}

TEST(Rows, WhatDidNotHappenIsEmpty) {
  const Finish f = ended(SloClassId{1}, Outcome::rejected, Reason::queue_full, Time(5), Time(6));
  EXPECT_EQ(row_of(small_fleet(), 3, f), "3,llama-8b,batch,everyone,100,0,0,5,,,6,,,rejected,queue_full,0\n");
}

TEST(Rows, AModelThatNobodyServesIsEmpty) {
  Finish f = ended(SloClassId{1}, Outcome::rejected, Reason::no_such_model);
  f.account.model = {};
  EXPECT_TRUE(row_of(small_fleet(), 3, f).starts_with("3,,batch,"));
}

TEST(Rows, NamesAreQuotedWhereTheyMustBe) {
  EXPECT_EQ(csv_cell("plain name"), "plain name");
  EXPECT_EQ(csv_cell("a,b"), "\"a,b\"");
  EXPECT_EQ(csv_cell("say \"x\""), "\"say \"\"x\"\"\"");
  EXPECT_EQ(csv_cell("a\nb"), "\"a\nb\"");
  EXPECT_EQ(csv_cell("a\rb"), "\"a\rb\"");
  FleetView fleet = small_fleet();
  fleet.pools[0].name = "a,\"b\"";
  const Finish f = done(SloClassId{0}, nanoseconds(40), nanoseconds(10), 4);
  EXPECT_NE(row_of(fleet, 0, f).find(",\"a,\"\"b\"\"\",0,done,"), std::string::npos);
}

TEST(Rows, TheGreatestNumbersFit) {
  FleetView fleet = small_fleet();
  fleet.pools[0].name = std::string(200'000, '"');
  Finish f = done(SloClassId{0}, Duration(), Duration(), 1);
  constexpr Time kLeast{std::numeric_limits<std::int64_t>::min()};
  f.account.arrival = f.account.admit = f.account.first_token = f.account.finish = kLeast;
  f.account.prompt = f.account.output = Tokens::max();
  f.account.preemptions = std::numeric_limits<std::uint32_t>::max();
  const std::string row = row_of(fleet, std::numeric_limits<std::uint64_t>::max(), f);
  EXPECT_TRUE(
      row.starts_with("18446744073709551615,llama-8b,interactive,everyone,2147483647,2147483647,0,-92233720368"));
  EXPECT_TRUE(row.ends_with(",0,done,,4294967295\n"));
}

TEST(Rows, ManyRowsComeOutWholeAndInOrder) {
  const FleetView fleet = small_fleet();
  const std::string path = temporary_path();
  std::string expected(kHead);
  {
    RowWriter rows(path, fleet);
    for (std::uint64_t id = 0; id < 10'000; ++id) {
      rows.write(id,
                 ended(SloClassId{1}, Outcome::rejected, Reason::shed, Time(static_cast<std::int64_t>(id)), Time(6)));
      expected +=
          std::to_string(id) + ",llama-8b,batch,everyone,100,0,0," + std::to_string(id) + ",,,6,,,rejected,shed,0\n";
    }
    rows.commit();
  }
  EXPECT_EQ(contents(path), expected);
  std::filesystem::remove(path);
}

TEST(Rows, WithoutCommitThereIsNoFile) {
  const FleetView fleet = small_fleet();
  const std::string path = temporary_path();
  { RowWriter(path, fleet).write(1, done(SloClassId{0}, Duration(), Duration(), 1)); }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Rows, APlaceThatCannotBeWrittenIsAnInputError) {
  const FleetView fleet = small_fleet();
  EXPECT_THROW(RowWriter("/nonexistent/folder/rows.csv", fleet), InputError);
}

}  // namespace
}  // namespace yard
