// The `switchyard` program as its users see it: verbs, help, exit codes, reports, files. What it says to wrong input is
// in cli_input_test.cpp; that it decides alike however it is asked to, in cli_exact_test.cpp.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "scheduler/loop/recorder.h"
#include "scheduler/loop/recording_reader.h"
#include "scheduler/policy/registry.h"
#include "tests/run_program.h"

namespace yard::testing {
namespace {

const std::vector<std::vector<std::string>> kVerbs = {
    {},         {"replay"},       {"trace"},          {"trace", "gen"},  {"trace", "stat"},
    {"fleet"},  {"topo"},         {"fleet", "check"}, {"fleet", "show"}, {"policies"},
    {"models"}, {"accelerators"}, {"explain"}};

std::vector<std::string> with(std::vector<std::string> words, const std::vector<std::string>& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// The commands below "examples:" in a verb's help.
std::vector<std::string> examples_of(const std::string& help) {
  std::vector<std::string> examples;
  for (const std::string& line : lines_of(help.substr(std::min(help.find("examples:"), help.size()))))
    if (line.starts_with("  switchyard ")) examples.push_back(line.substr(2));
  return examples;
}

// ---- help ----------------------------------------------------------------------------------------------------------

TEST(Help, EveryVerbHasOneWithExamples) {
  for (const auto& verb : kVerbs) {
    const Ran ran = switchyard(with(verb, {"--help"}));
    EXPECT_EQ(ran.code, 0) << ran;
    EXPECT_EQ(ran.err, "");
    EXPECT_NE(ran.out.find("Usage: switchyard"), std::string::npos) << ran;
    EXPECT_FALSE(examples_of(ran.out).empty()) << ran;
    EXPECT_EQ(switchyard(with(verb, {"-h"})).out, ran.out);
  }
}

TEST(Help, EveryVerbAndExitCodeIsNamedInTheFirst) {
  const std::string help = switchyard({"--help"}).out;
  for (const auto& verb : kVerbs) {
    if (verb.size() != 1) continue;
    EXPECT_NE(help.find("\n  " + verb[0] + ' '), std::string::npos) << verb[0];
  }
  EXPECT_NE(help.find("exit codes: 0 done, 1 a bug of ours or a re-enactment that differs, 2 bad input or usage"),
            std::string::npos);
}

bool names_one_of(const std::string& example, const std::vector<std::string>& names) {
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return example.find(name) != example.npos; });
}

// The smallest host that hwloc reads.
constexpr std::string_view kRack = R"(<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE topology SYSTEM "hwloc2.dtd">
<topology version="2.0">
  <object type="Machine" os_index="0" cpuset="0x1" complete_cpuset="0x1" allowed_cpuset="0x1" nodeset="0x1"
    complete_nodeset="0x1" allowed_nodeset="0x1" gp_index="1">
    <object type="NUMANode" os_index="0" cpuset="0x1" complete_cpuset="0x1" nodeset="0x1" complete_nodeset="0x1"
      gp_index="3" local_memory="1073741824"/>
    <object type="PU" os_index="0" cpuset="0x1" complete_cpuset="0x1" nodeset="0x1" complete_nodeset="0x1"
      gp_index="2"/>
  </object>
</topology>
)";

TEST(Help, EveryExampleRuns) {
  const Scratch here;
  std::filesystem::create_symlink(program(), here.at("switchyard"));
  ASSERT_EQ(switchyard({"trace", "gen", "gen:azure-conv", "--limit", "200", "--out", here.at("day.csv")}).code, 0);
  here.with("fleet.yaml", "pools:\n  - {name: a, model: llama-3.1-8b, accelerator: h100-sxm}\n");
  here.with("rack.xml", kRack);
  ASSERT_EQ(switchyard({"replay", "--limit", "9", "--record", here.at("shard0.rec"), "--quiet"}).code, 0);
  // Examples of traces that only the shared data has are left out where it is absent.
  std::vector<std::string> absent;
  for (const auto& [name, below] : {std::pair("deepseek-r1", "traces/servegen/reason/deepseek-r1"),
                                    std::pair("requests_compact.csv.gz", "traces/agentic/requests_compact.csv.gz")}) {
    if (const std::string path = shared_file(below); !path.empty())
      std::filesystem::create_symlink(std::filesystem::absolute(path), here.at(name));
    else
      absent.push_back(name);
  }
  std::vector<std::string> all;
  for (const auto& verb : kVerbs)
    for (const std::string& example : examples_of(switchyard(with(verb, {"--help"})).out))
      if (std::find(all.begin(), all.end(), example) == all.end()) all.push_back(example);
  EXPECT_GT(all.size(), 15u);
  for (const std::string& example : all) {
    if (names_one_of(example, absent)) continue;
    const Ran ran = run_program({"/bin/sh", "-ec", "PATH=.:$PATH; " + example}, {.folder = here.path()});
    EXPECT_EQ(ran.code, 0) << example << '\n' << ran;
    EXPECT_EQ(ran.err, "") << example;
  }
}

TEST(Version, IsOneLine) {
  const Ran ran = switchyard({"--version"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_TRUE(ran.out.starts_with("switchyard ")) << ran;
  EXPECT_TRUE(is_one_line(ran.out)) << ran;
  EXPECT_EQ(std::count(ran.out.begin(), ran.out.end(), '.'), 2) << ran;
}

// ---- verbs ---------------------------------------------------------------------------------------------------------

TEST(Verbs, LookAndAnswer) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> asked = {
      {{"policies"}, "least_loaded"},
      {{"models"}, "llama-3.1-70b"},
      {{"models", "--json"}, "\"llama-3.1-70b\""},
      {{"accelerators"}, "trainium2"},
      {{"accelerators", "--json"}, "\"tpu-v6e\""},
      {{"fleet", "check", "builtin:mixed"}, "builtin:mixed: good: 40 replicas"},
      {{"fleet", "show", "builtin:thousand"}, "fleet thousand: 1,000 replicas"},
      {{"fleet", "show"}, "fleet mixed"},
      {{"fleet", "show", "builtin:single", "--json"}, "\"llama-3.1-8b\""},
      {{"topo"}, "NUMA node"},
      {{"topo", "--json"}, "{"},
      {{"topo", "--synthetic", "pack:2 numa:2 l3:1 core:8 pu:2"}, "4 NUMA nodes"},
      {{"trace", "stat", "gen:azure-code"}, "rows       8819"},
      {{"trace", "stat", "gen:azure-conv", "--limit", "10", "--json"}, "\"rows\":10"},
      {{"trace", "gen", "gen:azure-conv", "--limit", "2"}, "arrival_ns,prompt_tokens,output_tokens\n0,"}};
  for (const auto& [words, piece] : asked) {
    const Ran ran = switchyard(words);
    EXPECT_EQ(ran.code, 0) << ran;
    EXPECT_EQ(ran.err, "");
    EXPECT_NE(ran.out.find(piece), std::string::npos) << piece << '\n' << ran;
  }
}

TEST(Verbs, PoliciesNamesAllThatReplayTakes) {
  const std::string text = switchyard({"policies"}).out;
  for (const NamedScorer& s : scorers()) {
    EXPECT_NE(text.find("\n  " + std::string(s.name) + ' '), std::string::npos);
    EXPECT_EQ(switchyard({"replay", "--limit", "9", "--policy", std::string(s.name)}).code, 0);
  }
  for (const NamedRefusal& r : refusals()) {
    const std::string suffix = "+" + std::string(r.name);
    EXPECT_NE(text.find("\n  NAME" + suffix + ' '), std::string::npos);
    EXPECT_EQ(switchyard({"replay", "--limit", "9", "--policy", "llm_d" + suffix}).code, 0);
  }
  for (const NamedOrder& o : orders()) {
    EXPECT_NE(text.find("\n  " + std::string(o.name) + ' '), std::string::npos);
    EXPECT_EQ(switchyard({"replay", "--limit", "9", "--order", std::string(o.name)}).code, 0);
  }
}

TEST(TraceGen, WhatItWritesReplaysAsTheGeneratorDoes) {
  const Scratch here;
  ASSERT_EQ(
      switchyard({"trace", "gen", "gen:azure-conv", "--seed", "5", "--limit", "500", "--out", here.at("a.csv")}).code,
      0);
  EXPECT_EQ(here.files(), std::vector<std::string>{"a.csv"});
  const Ran direct =
      switchyard({"replay", "--trace", "gen:azure-conv", "--seed", "5", "--limit", "500", "--requests-csv", "-"});
  const Ran by_file = switchyard({"replay", "--trace", here.at("a.csv"), "--seed", "5", "--requests-csv", "-"});
  EXPECT_EQ(direct.code, 0);
  EXPECT_EQ(direct.out, by_file.out);
}

// ---- reports -------------------------------------------------------------------------------------------------------

const std::vector<std::string> kSmall = {
    "replay", "--trace", "gen:azure-conv?rate=60", "--fleet", "builtin:mixed", "--limit", "600", "--seed", "7"};

// A change of what is decided or said is a decision: run with SWITCHYARD_UPDATE_GOLDEN=1 to make it.
void expect_golden(const std::string& name, const std::string& text) {
  const char* const root = std::getenv("SWITCHYARD_SOURCE_DIR");
  const std::string path = std::string(root ? root : ".") + "/tests/golden/" + name;
  if (std::getenv("SWITCHYARD_UPDATE_GOLDEN")) std::ofstream(path, std::ios::binary) << text;
  EXPECT_EQ(text, bytes_of(path)) << path;
}

// Reasons that did not occur are left out, so that a new reason is no change of this golden.
std::string without_reasons_that_did_not_occur(const std::string& json) {
  std::string kept;
  for (const std::string& line : lines_of(json)) {
    const std::string_view key = std::string_view(line).substr(std::min(line.find('"'), line.size()));
    const bool reason = key.starts_with("\"rejected_") || key.starts_with("\"failed_");
    if (!reason || !key.ends_with(": 0,")) kept += line + '\n';
  }
  return kept;
}

TEST(Replay, ReportIsTheGolden) {
  const Ran ran = switchyard(kSmall);
  EXPECT_EQ(ran.code, 0) << ran;
  EXPECT_EQ(ran.err, "");
  expect_golden("cli_small.txt", decided_text(ran.out));
}

// Where decisions change it is to be pasted anew: build/release/tools/switchyard replay ..., as below.
TEST(Replay, TheReadmesFirstScreenIsWhatIsPrinted) {
  const char* const source = std::getenv("SWITCHYARD_SOURCE_DIR");
  ASSERT_NE(source, nullptr) << "ctest sets it";
  const std::string readme = bytes_of(std::string(source) + "/README.md");
  const std::size_t begin = readme.find("```\nSwitchyard ") + 4, end = readme.find("```", begin);
  ASSERT_LT(end, readme.size());
  const Ran ran = switchyard({"replay", "--trace", "gen:azure-conv", "--fleet", "builtin:mixed"});
  EXPECT_EQ(ran.code, 0) << ran;
  EXPECT_EQ(decided_text(readme.substr(begin, end - begin)), decided_text(ran.out));
}

TEST(Replay, JsonIsTheGoldenAndStandsAloneOnStandardOutput) {
  const Ran ran = switchyard(with(kSmall, {"--json", "-"}));
  EXPECT_EQ(ran.code, 0) << ran;
  EXPECT_EQ(ran.err, "");
  expect_golden("cli_small.json", without_reasons_that_did_not_occur(decided_json(ran.out)));
}

TEST(Replay, RequestsCsvHasOneRowPerRequestBelowTheContractsHeader) {
  const Scratch here;
  const Ran ran = switchyard(with(kSmall, {"--requests-csv", here.at("r.csv"), "--quiet"}));
  EXPECT_EQ(ran.code, 0) << ran;
  EXPECT_EQ(ran.out, "");
  const auto lines = lines_of(bytes_of(here.at("r.csv")));
  ASSERT_EQ(lines.size(), 601u);
  EXPECT_EQ(lines[0],
            "id,model,class,tenant,prompt_tokens,output_tokens,cached_tokens,arrival_ns,admit_ns,first_token_ns,"
            "finish_ns,pool,device,outcome,reason,preemptions");
  std::vector<bool> seen(600);
  for (std::size_t i = 1; i < lines.size(); ++i) {
    EXPECT_EQ(std::count(lines[i].begin(), lines[i].end(), ','), 15) << lines[i];
    const std::size_t id = std::stoul(lines[i]);
    ASSERT_LT(id, seen.size());
    EXPECT_FALSE(seen[id]) << "twice: " << id;
    seen[id] = true;
  }
  EXPECT_EQ(switchyard(with(kSmall, {"--requests-csv", "-"})).out, bytes_of(here.at("r.csv")));
}

TEST(Replay, TheSameSeedIsTheSameAndAnotherIsAnother) {
  const auto run = [](const std::string& seed) {
    return switchyard({"replay", "--limit", "300", "--seed", seed, "--requests-csv", "-"}).out;
  };
  EXPECT_EQ(run("1"), run("1"));
  EXPECT_NE(run("1"), run("2"));
}

TEST(Replay, QuietSaysNothing) {
  const Ran ran = switchyard({"replay", "--limit", "20", "--quiet"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_EQ(ran.out + ran.err, "");
}

TEST(Replay, ComparesPoliciesTheSameOnAnyNumberOfThreads) {
  const Scratch here;
  const std::vector<std::string> words = {"replay", "--policies", "expected_cost,random", "--seeds", "3", "--limit",
                                          "300",    "--json"};
  const Ran one = switchyard(with(words, {"-"}));
  EXPECT_EQ(one.code, 0) << one;
  EXPECT_EQ(one.err, "");
  const Ran two = switchyard(with(words, {here.at("two.json"), "--threads", "2"}));
  EXPECT_EQ(two.code, 0) << two;
  EXPECT_EQ(bytes_of(here.at("two.json")), one.out);
  EXPECT_NE(two.out.find("\nless expected_cost"), std::string::npos) << two;
  EXPECT_NE(two.out.find(" +-"), std::string::npos) << two;
}

// ---- progress ------------------------------------------------------------------------------------------------------

// What a terminal in place of standard error shows.
std::string on_a_terminal(const std::vector<std::string>& words) {
  const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY);
  if (terminal < 0 || ::grantpt(terminal) != 0 || ::unlockpt(terminal) != 0) return "no terminal";
  const int other = ::open(::ptsname(terminal), O_RDWR | O_NOCTTY);
  if (other < 0) return "no terminal";
  const Ran ran = switchyard(words, {.err = other});  // a few lines: they fit the terminal's own buffer
  EXPECT_EQ(ran.code, 0) << ran;
  std::string shown;  // what was written comes through the kernel a while later, on a busy machine
  pollfd ready{.fd = terminal, .events = POLLIN, .revents = 0};
  for (char some[4096]; ::poll(&ready, 1, 1000) > 0;) {
    const ssize_t n = ::read(terminal, some, sizeof some);
    if (n <= 0) break;
    shown.append(some, static_cast<std::size_t>(n));
  }
  ::close(other);
  ::close(terminal);
  return shown;
}

TEST(Progress, HasRateAndTimeLeftOnATerminalAndNothingElsewhere) {
  const std::vector<std::string> words = {"replay", "--limit", "200000", "--fleet", "builtin:single"};
  const std::string shown = on_a_terminal(words);
  if (shown == "no terminal") GTEST_SKIP() << "no pseudo-terminal here";
  EXPECT_NE(shown.find(" of 200000 requests, "), std::string::npos) << shown;
  EXPECT_NE(shown.find(" a second, "), std::string::npos) << shown;
  EXPECT_NE(shown.find(" s left"), std::string::npos) << shown;
  EXPECT_TRUE(shown.ends_with("\r\x1b[K")) << shown;
  EXPECT_EQ(on_a_terminal(with(words, {"--quiet"})), "");
  EXPECT_EQ(switchyard(words).err, "");
}

// ---- recordings ----------------------------------------------------------------------------------------------------

const std::vector<std::string> kRecorded = {"replay", "--limit", "2000", "--rate-scale", "20"};

std::string hash_in(const std::string& text) {
  const std::size_t at = text.find("decisions ");
  return at == std::string::npos ? "no hash" : text.substr(at + 10, 16);
}

TEST(Record, ReenactsToTheHashOfTheReport) {
  const Scratch here;
  const std::string rec = here.at("day.rec");
  const Ran recorded = switchyard(with(kRecorded, {"--record", rec}));
  ASSERT_EQ(recorded.code, 0) << recorded;
  EXPECT_EQ(here.files(), std::vector<std::string>{"day.rec"});
  const Ran again = switchyard({"replay", "--reenact", rec});
  EXPECT_EQ(again.code, 0) << again;
  const std::string hash = hash_in(recorded.out);
  EXPECT_NE(again.out.find("decision hash " + hash + ", recorded " + hash + ": the same\n"), std::string::npos)
      << again;
  EXPECT_NE(again.out.find(": 2000 submitted, "), std::string::npos) << again;
  EXPECT_EQ(switchyard({"replay", "--reenact", rec, "--quiet"}).out, "");
  EXPECT_EQ(hash_in(switchyard(kRecorded).out), hash) << "recording changed what was decided";
}

TEST(Record, CutAnywhereReenactsUpToTheCutAndSaysSo) {
  const Scratch here;
  const std::string rec = here.at("day.rec");
  ASSERT_EQ(switchyard(with(kRecorded, {"--record", rec})).code, 0);
  const std::string whole = bytes_of(rec);
  std::vector<std::size_t> cuts = {0, 1, 7, 8, 9, 30, whole.size() - 1};
  for (std::size_t eighth = 1; eighth < 8; ++eighth) cuts.push_back(whole.size() * eighth / 8);
  for (const std::size_t cut : cuts) {
    here.with("cut.rec", std::string_view(whole).substr(0, cut));
    const Ran ran = switchyard({"replay", "--reenact", here.at("cut.rec")});
    EXPECT_EQ(ran.code, 0) << ran;
    EXPECT_EQ(ran.err, "");
    EXPECT_NE(ran.out.find("the recording is cut at byte "), std::string::npos) << cut << '\n' << ran;
    const bool some = ran.out.find(": the same\n") != std::string::npos;
    EXPECT_NE(some, ran.out.find("nothing to compare\n") != std::string::npos) << cut << '\n' << ran;
    EXPECT_TRUE(some || cut < whole.size() - 1) << ran;
    EXPECT_EQ(ran.out.find("DIFFERENT"), std::string::npos) << ran;
  }
}

TEST(CliReplay, EveryCellsRecordingReenactsAlone) {
  const Scratch here;
  const Ran ran = switchyard({"replay", "--fleet", "builtin:cells", "--trace", "gen:azure-conv?rate=800", "--limit",
                              "2000", "--threads", "2", "--record", here.at("day.rec")});
  ASSERT_EQ(ran.code, 0) << ran;
  EXPECT_NE(ran.out.find("cells 8  control lag 100 ms\n"), std::string::npos) << ran;
  for (int c = 0; c < 8; ++c) {
    const Ran again = switchyard({"replay", "--reenact", here.at("day.rec.cell" + std::to_string(c))});
    EXPECT_EQ(again.code, 0) << again;
    EXPECT_NE(again.out.find(": the same\n"), std::string::npos) << again;
  }
}

// Copies a recording, with one bit of its first decision hash changed.
void forge(const std::string& from, const std::string& to) {
  RecordingReader reader(from);
  const RecordingHead& head = *reader.head();
  Recorder recorder(to);
  recorder.head(head.fleet, head.tables, find_policies(head.scorer, head.order, name_of(head.bind)), head.bounds,
                head.seed);
  bool changed = false;
  while (const auto tick = reader.next()) {
    recorder.tick(tick->now, tick->events);
    if (!tick->hash) continue;
    recorder.hash(*tick->hash ^ (changed ? 0u : 1u));
    changed = true;
    recorder.flush();
  }
  recorder.finish();
}

TEST(Record, DecisionsThatDifferAreSaidAndExitWithOne) {
  const Scratch here;
  ASSERT_EQ(switchyard(with(kRecorded, {"--record", here.at("day.rec")})).code, 0);
  forge(here.at("day.rec"), here.at("forged.rec"));
  const Ran ran = switchyard({"replay", "--reenact", here.at("forged.rec")});
  EXPECT_EQ(ran.code, 1) << ran;
  EXPECT_NE(ran.out.find("they part between ticks 0 and "), std::string::npos) << ran;
  EXPECT_EQ(switchyard({"replay", "--reenact", here.at("forged.rec"), "--quiet"}).code, 1);
}

}  // namespace
}  // namespace yard::testing
