// The smallest room: units, hashes, randomness, and what a user is told.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "scheduler/base/hash.h"
#include "scheduler/base/input_error.h"
#include "scheduler/base/output_file.h"
#include "scheduler/base/rng.h"
#include "scheduler/base/units.h"

namespace yard {
namespace {

TEST(Units, AnEventCarriesTheCeilingOfItsPicoseconds) {
  EXPECT_EQ(ceil_to_ns(Picoseconds(0)).count(), 0);
  EXPECT_EQ(ceil_to_ns(Picoseconds(1)).count(), 1);
  EXPECT_EQ(ceil_to_ns(Picoseconds(1000)).count(), 1);
  EXPECT_EQ(ceil_to_ns(Picoseconds(1001)).count(), 2);
}

TEST(Units, BlocksHoldTheirTokensAndNoBlockIsEmpty) {
  for (int tokens = 0; tokens < 100; ++tokens) {
    const Blocks blocks = blocks_for(Tokens(tokens), Tokens(16));
    EXPECT_GE(blocks.count() * 16, tokens);
    EXPECT_LT((blocks.count() - 1) * 16, tokens == 0 ? 1 : tokens);
  }
}

TEST(Hash, TheOrderOfWordsMatters) {
  DecisionHash a, b;
  a.add(1), a.add(2);
  b.add(2), b.add(1);
  EXPECT_NE(a.value(), b.value());
}

TEST(Rng, IsSplitmix64) {  // first outputs for state 1234567, from the authors' reference program
  Rng rng(1234567);
  EXPECT_EQ(rng.next(), 6457827717110365317ull);
  EXPECT_EQ(rng.next(), 3203168211198807973ull);
}

TEST(Rng, BelowStaysBelow) {
  Rng rng(7);
  for (int i = 0; i < 10'000; ++i) EXPECT_LT(rng.below(13), 13u);
}

TEST(InputError, IsOneLineHoweverHostileTheInput) {
  const InputError e("a\nb.yaml", 3, "key\r", printable("x\0y\nz"), "accepted: w");
  EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos);
}

TEST(InputError, WhatIsNoTextIsShownAsBytes) {
  EXPECT_EQ(printable("\x1b[2J\xc2\x9b\xff\xc3\xa9"), "\\x1b[2J\\xc2\\x9b\\xff\xc3\xa9");
}

TEST(InputError, NamesTheNearestName) {
  const std::string_view names[] = {"h100-sxm", "h200-sxm", "l40s"};
  EXPECT_EQ(nearest("h100_sxm", names), "h100-sxm");
  EXPECT_EQ(nearest("l40", names), "l40s");
}

// A folder of this test's own, gone with it.
struct Folder {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("switchyard_base_test_" + std::to_string(::getpid()));
  Folder() { std::filesystem::create_directory(path); }
  ~Folder() { std::filesystem::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
};

TEST(OutputFile, AppearsWholeOrNotAtAll) {
  const Folder folder;
  const std::string name = folder.path / "report";
  {
    OutputFile dropped(name);
    dropped.write("half");
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path));
  OutputFile kept(name);
  kept.write("whole");
  EXPECT_FALSE(std::filesystem::exists(name));
  kept.commit();
  std::ifstream in(name);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "whole");
}

TEST(OutputFile, WritesThroughAPipeAndLeavesItAPipe) {
  const Folder folder;
  const std::string pipe = folder.path / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  OutputFile file(pipe);
  file.write("through");
  file.commit();
  char bytes[16] = {};
  EXPECT_EQ(::read(reader, bytes, sizeof bytes), 7);
  ::close(reader);
  EXPECT_STREQ(bytes, "through");
  EXPECT_TRUE(std::filesystem::is_fifo(pipe));
}

TEST(OutputFile, ReplacesTheFileBehindALinkAndLeavesTheLink) {
  const Folder folder;
  const std::string name = folder.path / "link";
  std::ofstream(folder.path / "behind") << "old";
  std::filesystem::create_symlink("behind", name);
  OutputFile file(name);
  file.write("new");
  file.commit();
  EXPECT_TRUE(std::filesystem::is_symlink(name));
  std::ifstream in(folder.path / "behind");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "new");
}

TEST(OutputFile, ANameTooLongForTheSystemIsAnInputError) {
  EXPECT_THROW(OutputFile(std::string(5000, 'x')), InputError);
}

TEST(InputError, NamesTheWholePathHoweverLong) {
  const std::string path = std::string(300, 'p') + "/trace.csv";
  EXPECT_TRUE(std::string(InputError(path, 3, "", "found nothing", "").what()).starts_with(path + ":3:"));
}

}  // namespace
}  // namespace yard
