// The house rules on snippets, and on this repository.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tools/tidy_repository.h"
#include "tools/tidy_rules.h"

namespace yard::tidy {
namespace {

// Returns: the rules that a file breaks, in the order of its lines, separated by spaces.
std::string broken(std::string_view path, std::string_view text) {
  std::string rules;
  for (const Finding& finding : check_file(path, text)) rules += (rules.empty() ? "" : " ") + finding.rule;
  return rules;
}

// ---- rooms --------------------------------------------------------------------------------------------------------

TEST(Rooms, CoreMayNotEnterLoop) {
  EXPECT_EQ(broken("scheduler/core/x.cpp", "#include \"scheduler/loop/tick.h\"\n"), "room");
  EXPECT_EQ(broken("scheduler/core/x.cpp", "#include \"scheduler/base/id.h\"\n"), "");
}
TEST(Rooms, LoopMayEnterCoreAndSync) {
  EXPECT_EQ(broken("scheduler/loop/x.cpp", "#include \"scheduler/core/core.h\"\n#include \"scheduler/sync/inbox.h\"\n"),
            "");
}
TEST(Rooms, CoreSeesTopologysValuesOnly) {
  EXPECT_EQ(broken("scheduler/core/x.cpp", "#include \"topology/fleet_view.h\"\n"), "");
  EXPECT_EQ(broken("scheduler/core/x.cpp", "#include \"topology/catalogue.h\"\n"), "room");
}
TEST(Rooms, ReportSeesCoresValuesOnly) {
  EXPECT_EQ(broken("scheduler/report/x.cpp", "#include \"scheduler/core/command.h\"\n"), "");
  EXPECT_EQ(broken("scheduler/report/x.cpp", "#include \"scheduler/core/core.h\"\n"), "room");
}
TEST(Rooms, BackendSeesThePortOfLoopOnly) {
  EXPECT_EQ(broken("scheduler/backend/x.cpp", "#include \"scheduler/loop/port.h\"\n"), "");
  EXPECT_EQ(broken("scheduler/backend/x.cpp", "#include \"scheduler/loop/live_loop.h\"\n"), "room");
}
TEST(Rooms, PublicHeadersSeeTheStandardLibraryOnly) {
  EXPECT_EQ(broken("scheduler/switchyard/x.h", "#pragma once\n#include <vector>\n#include <switchyard/step.h>\n"), "");
  EXPECT_EQ(broken("scheduler/switchyard/x.h", "#pragma once\n#include \"scheduler/base/id.h\"\n"), "room");
  EXPECT_EQ(broken("scheduler/switchyard/x.h", "#pragma once\n#include <unistd.h>\n"), "library");
  EXPECT_EQ(broken("scheduler/switchyard/x.h", "#pragma once\n#include <fmt/format.h>\n"), "library");
}
TEST(Rooms, AssemblyToolsAndTestsMayEnterAny) {
  for (const char* path : {"scheduler/scheduler.cpp", "tools/x.cpp", "tests/x.cpp", "bench/x.cpp"})
    EXPECT_EQ(broken(path, "#include \"scheduler/loop/tick.h\"\n#include <tbb/task_arena.h>\n"), "") << path;
}
TEST(Rooms, OurHeadersAreIncludedByTheirPath) {
  EXPECT_EQ(broken("scheduler/core/x.cpp", "#include \"sequence.h\"\n"), "include");
}
TEST(Rooms, RemedySaysWhatMayBeEntered) {
  const auto findings = check_file("scheduler/policy/x.cpp", "\n#include \"scheduler/sync/inbox.h\"\n");
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(
      to_line(findings[0]),
      "scheduler/policy/x.cpp:2: room: policy may not enter sync (scheduler/sync/inbox.h); it may enter: base core "
      "core_values cost topology_values");
}
TEST(Rooms, TargetsLinkWhatTheTableAllows) {
  EXPECT_TRUE(
      check_room_targets("CMakeLists.txt", "yard_room(report DIR d ENTERS base core LINKS fmt::fmt)\n").empty());
  const auto findings = check_room_targets("CMakeLists.txt", "\nyard_room(core DIR d ENTERS base sync)\n");
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].line, 2);
  EXPECT_EQ(findings[0].what, "core links sync");
}

// ---- libraries ----------------------------------------------------------------------------------------------------

TEST(Libraries, HwlocAndYamlStayInTheirRoomsCppFiles) {
  for (const char* header : {"#include <hwloc.h>\n", "#include <yaml-cpp/yaml.h>\n"}) {
    EXPECT_EQ(broken("topology/x.cpp", header), "");
    EXPECT_EQ(broken("topology/x.h", "#pragma once\n" + std::string(header)), "library");
    EXPECT_EQ(broken("scheduler/trace/x.cpp", header), "library");
  }
}
TEST(Libraries, BoostIsForSync) {
  EXPECT_EQ(broken("scheduler/sync/x.h", "#pragma once\n#include <boost/lockfree/queue.hpp>\n"), "");
  EXPECT_EQ(broken("scheduler/loop/x.cpp", "#include <boost/lockfree/queue.hpp>\n"), "library");
}
TEST(Libraries, TbbIsForLoopsCppFiles) {
  EXPECT_EQ(broken("scheduler/loop/x.cpp", "#include <oneapi/tbb.h>\n"), "");
  EXPECT_EQ(broken("scheduler/loop/x.h", "#pragma once\n#include <oneapi/tbb.h>\n"), "library");
}
TEST(Libraries, CoreHasNoThreadClockOrFile) {
  for (const char* header : {"thread", "chrono", "atomic", "fstream", "cmath", "unistd.h", "sys/mman.h"})
    EXPECT_EQ(broken("scheduler/core/x.cpp", "#include <" + std::string(header) + ">\n"), "core-header") << header;
  EXPECT_EQ(broken("scheduler/core/x.cpp", "#include <vector>\n"), "");
}

// ---- words --------------------------------------------------------------------------------------------------------

TEST(Words, OnlyTheLiveLoopReadsAClock) {
  const char* text = "auto t = std::chrono::steady_clock::now();\n";
  EXPECT_EQ(broken("scheduler/backend/x.cpp", text), "clock");
  EXPECT_EQ(broken("scheduler/loop/sim_loop.cpp", text), "clock");
  EXPECT_EQ(broken("scheduler/loop/live_loop.cpp", text), "");
  EXPECT_EQ(broken("scheduler/replay.cpp", text), "");
  EXPECT_EQ(broken("bench/x.cpp", text), "");
  EXPECT_EQ(broken("scheduler/trace/x.cpp", "auto t = time(nullptr);\n"), "clock");
  EXPECT_EQ(broken("scheduler/trace/x.cpp", "auto t = row.time();\n"), "");
}
TEST(Words, ToNameADeadlineIsNotToReadAClock) {
  EXPECT_EQ(broken("scheduler/sync/x.cpp", "using Deadline = std::chrono::steady_clock::time_point;\n"), "");
}
TEST(Words, AtomicsAreForSyncOrSayWhy) {
  EXPECT_EQ(broken("scheduler/sync/x.h", "#pragma once\nstd::atomic<int> a;\n"), "");
  EXPECT_EQ(broken("scheduler/backend/x.cpp", "std::atomic<int> a;\n"), "atomic");
  EXPECT_EQ(broken("scheduler/backend/x.cpp", "std::atomic<int> a;  // tidy: atomic, read by the caller's thread\n"),
            "");
  EXPECT_EQ(broken("scheduler/backend/x.cpp", "// tidy: atomic, read by the caller's thread\nstd::atomic<int> a;\n"),
            "");
}
TEST(Words, AnExcuseNamesItsRuleAndAReason) {
  EXPECT_EQ(broken("scheduler/backend/x.cpp", "std::atomic<int> a;  // tidy: atomic\n"), "atomic");
  EXPECT_EQ(broken("scheduler/backend/x.cpp", "std::atomic<int> a;  // tidy: clock, read by the caller\n"), "atomic");
}
TEST(Words, ThereIsNoExcuseForAFloatInCore) {
  EXPECT_EQ(broken("scheduler/core/x.cpp", "double x;  // tidy: float, because I want to\n"), "float");
  EXPECT_EQ(broken("scheduler/cost/x.cpp", "double x;\n"), "");
}
TEST(Words, FloatingLiteralsAreFloats) {
  for (const char* literal : {"1.5", "1.", "1e9", "1'000.0"})
    EXPECT_EQ(broken("scheduler/policy/x.cpp", "auto x = " + std::string(literal) + ";\n"), "float") << literal;
  for (const char* literal : {"0x1e9", "1'000", "a1.e5()", "0xffff'ffff", "42u", "v2.x"})
    EXPECT_EQ(broken("scheduler/policy/x.cpp", "auto x = " + std::string(literal) + ";\n"), "") << literal;
}
TEST(Words, CommentsAndStringsAreNoCode) {
  EXPECT_EQ(broken("scheduler/core/x.cpp", "// no double, no std::atomic\n/* float\n double */\n"), "");
  EXPECT_EQ(broken("scheduler/core/x.cpp", "auto s = \"float \\\" double\";\nchar c = '\"';\n"), "");
  EXPECT_EQ(broken("scheduler/core/x.cpp", "auto s = R\"(a \" float)\";\ndouble d;\n"), "float");
  EXPECT_EQ(broken("scheduler/core/x.cpp", "int n = 1'000; double d; int m = 1'000;\n"), "float");
}
TEST(Words, APartOfAWordIsNotTheWord) {
  EXPECT_EQ(broken("scheduler/core/x.cpp", "int double_check, afloat, floats;\n"), "");
}
TEST(Words, DecisionsDoNotDependOnAHashMapsOrder) {
  EXPECT_EQ(broken("scheduler/loop/x.cpp", "std::unordered_map<int, int> m;\n"), "unordered");
  EXPECT_EQ(broken("tools/x.cpp", "std::unordered_map<int, int> m;\n"), "");
}
TEST(Words, RandomIsForNobody) {
  EXPECT_EQ(broken("tests/x.cpp", "#include <random>\n"), "random");
  EXPECT_EQ(broken("tests/x.cpp", "std::mt19937 g(1);\n"), "random");
}

// ---- lines --------------------------------------------------------------------------------------------------------

TEST(Lines, AreAtMost120Columns) {
  EXPECT_EQ(broken("tests/x.cpp", "// " + std::string(117, 'x') + "\n"), "");
  EXPECT_EQ(broken("tests/x.cpp", "// " + std::string(118, 'x') + "\n"), "columns");
}
TEST(Lines, ColumnsAreCharactersNotBytes) {
  std::string text = "// ";
  for (int i = 0; i < 117; ++i) text += "\xC2\xB5";
  EXPECT_EQ(broken("tests/x.cpp", text + "\n"), "");
}
TEST(Lines, HaveNoTabsAndNoBlanksAtTheEnd) {
  EXPECT_EQ(broken("tools/x.sh", "a\tb\n"), "tab");
  EXPECT_EQ(broken("scheduler/README.md", "words \n"), "trailing");
  EXPECT_EQ(broken("scheduler/README.md", "words\r\n"), "trailing");
}
TEST(Lines, NameNoPathOfOneMachine) {
  EXPECT_EQ(broken("tools/x.sh", "cd /" + std::string("home/me\n")), "machine-path");
  EXPECT_EQ(broken("tools/x.sh", "cd $top/" + std::string("home/me\n")), "");
}
TEST(Headers, BeginWithPragmaOnce) {
  EXPECT_EQ(broken("scheduler/base/x.h", "// What it is.\n#pragma once\n"), "");
  EXPECT_EQ(broken("scheduler/base/x.h", "#include <vector>\n"), "pragma-once");
  EXPECT_EQ(broken("scheduler/base/x.h", "// nothing\n"), "pragma-once");
}

// ---- this repository ----------------------------------------------------------------------------------------------

TEST(Repository, KeepsItsRules) {
  const char* root = std::getenv("SWITCHYARD_SOURCE_DIR");
  ASSERT_NE(root, nullptr) << "run it through ctest, or set SWITCHYARD_SOURCE_DIR to the checkout";
  const Report report = check_repository(root);
  EXPECT_GT(report.files, 20u);
  for (const Finding& finding : report.findings) ADD_FAILURE() << to_line(finding);
}
TEST(Repository, IsRefusedWhereThereIsNone) { EXPECT_THROW(check_repository("nothing-here"), std::runtime_error); }

}  // namespace
}  // namespace yard::tidy
