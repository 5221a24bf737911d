// What the `switchyard` program says to wrong input: one line, exit 2, nothing left behind; and what it makes of input
// that is odd but right. (The readers have tests of their own, with more cases; here they are met from outside.)
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "tests/run_program.h"

namespace yard::testing {
namespace {

using Words = std::vector<std::string>;

const std::string kOurs = "arrival_ns,prompt_tokens,output_tokens\n";
const std::string kAzure = "TIMESTAMP,ContextTokens,GeneratedTokens\n";

// ---- words ---------------------------------------------------------------------------------------------------------

TEST(Words, UnknownOnesAreAnsweredWithTheNearest) {
  const std::vector<std::pair<Words, std::string>> wrong = {
      {{"replya"}, "replya: unknown verb; nearest is 'replay'; accepted: replay, "},
      {{"fleet", "chek"}, "chek: unknown verb; nearest is 'check'; accepted: check, show"},
      {{"--verison"}, "--verison: unknown flag; nearest is '--version'"},
      {{"replay", "--polcy", "random"}, "--polcy: unknown flag; nearest is '--policy'"},
      {{"replay", "--thread=2"}, "--thread: unknown flag; nearest is '--threads'"},
      {{"models", "--jsn"}, "--jsn: unknown flag; nearest is '--json'"},
      {{"replay", "--policy", "least_loded"}, "found 'least_loded'; nearest is 'least_loaded'"},
      {{"replay", "--order", "edff"}, "found 'edff'; nearest is 'edf'"},
      {{"replay", "--bind", "rooom"}, "found 'rooom'; accepted: arrival, room"},
      {{"replay", "--exact", "jmp"}, "found 'jmp'; accepted: jump, step"},
      {{"replay", "--fleet", "builtin:mixd"}, "found 'builtin:mixd'"},
      {{"replay", "--fleet", "builtin:mixd"}, "nearest is 'mixed'"},
      {{"replay", "--trace", "gen:azure-con"}, "nearest is 'azure-conv'"},
      {{"replay", "--trace", "gen:azure-conv?burs=2"}, "nearest is 'burst'"},
      {{"fleet", "check", "builtin:singel"}, "nearest is 'single'"},
      {{"validate", "vlm", "."}, "vlm: unknown verb; nearest is 'vllm'"},
      {{"validate", "vllm", ".", "--without", "skw"},
       "--without: found 'skw'; accepted: joint, skew, prefix_cache, whole_prompts, plans_ahead, kv_blocks"}};
  for (const auto& [words, piece] : wrong) expect_refusal(switchyard(words), piece);
}

TEST(Words, MissingAndSurplusOnesAreNamed) {
  const std::vector<std::pair<Words, std::string>> wrong = {
      {{}, "found no verb; accepted: replay, "},
      {{"fleet"}, "found no verb; accepted: check, show; see `switchyard fleet --help`"},
      {{"fleet", "check"}, "fleet: found nothing; accepted: a YAML file, or builtin:NAME"},
      {{"trace", "stat"}, "trace: found nothing; accepted: a file"},
      {{"validate", "vllm"}, "folder: found nothing; accepted: a run"},
      {{"validate", "vllm", "no/such"}, "no/such: found no folder; give a folder of runs"},
      {{"trace", "stat", "a", "b"}, "'b': found one word too many"},
      {{"replay", "day.csv"}, "'day.csv': found one word too many"},
      {{"replay", "--trace"}, "--trace: found nothing; accepted: "},
      {{"replay", "--limit", "5", "--limit", "6"}, "--limit: found twice; accepted: once"},
      {{"replay", "--reenact", "a.rec", "--seed", "2"}, "--seed: found beside --reenact; accepted: --reenact FILE"},
      {{"replay", "--policies", "random", "--policy", "random"}, "--policy: found beside --policies"},
      {{"replay", "--compare", "a.yaml", "b.yaml", "--fleet", "c"}, "--fleet: found beside --compare"},
      {{"replay", "--seeds", "2", "--record", "a.rec"}, "--record: found beside --seeds; accepted: one simulation"},
      {{"replay", "--compare", "a.yaml", "b.yaml", "--sed", "1"}, "--sed: unknown flag; nearest is '--seed'"},
      {{"replay", "--policies", "random,rndom"}, "found 'rndom'; nearest is 'random'"},
      {{"topo", "--xml", "a", "--synthetic", "b"}, "--xml excludes --synthetic"}};
  for (const auto& [words, piece] : wrong) expect_refusal(switchyard(words), piece);
}

TEST(Words, NumbersAreTakenWholeOrNotAtAll) {
  for (const char* flag : {"--seed", "--limit"})
    for (const char* number : {"-1", "x", "1.5", "1e3", "", " 1", "0x10", "18446744073709551616"})
      expect_refusal(switchyard({"replay", std::string(flag) + '=' + number}), std::string(flag) + ": found ");
  for (const char* number : {"0", "-1", "1025", "two"})
    expect_refusal(switchyard({"replay", "--threads", number}), "accepted: a whole number from 1 to 1024");
  for (const char* number : {"0", "-1", "nan", "inf", "1e300", "x", "1,5", "1e-9"})
    expect_refusal(switchyard({"replay", "--rate-scale", number}), "accepted: a number from 0.000001 to 1000000");
  EXPECT_EQ(switchyard({"replay", "--seed", "18446744073709551615", "--limit", "1", "--quiet"}).code, 0);
}

// ---- files ---------------------------------------------------------------------------------------------------------

TEST(Files, MissingOnesAndFoldersAreNamed) {
  const Scratch here;
  for (const Words& words :
       {Words{"replay", "--trace"}, Words{"replay", "--fleet"}, Words{"replay", "--reenact"}, Words{"trace", "stat"},
        Words{"trace", "gen"}, Words{"fleet", "check"}, Words{"fleet", "show"}, Words{"topo", "--xml"}}) {
    Words missing = words, folder = words;
    missing.push_back(here.at("no.such"));
    folder.push_back(here.path());
    expect_refusal(switchyard(missing), here.at("no.such") + ": ");
    expect_refusal(switchyard(folder), here.path() + ": is a directory; give a");
  }
  EXPECT_TRUE(here.files().empty());
}

TEST(Files, UnreadableOnesAreNamed) {
  constexpr unsigned kNobody = 65534;
  const Scratch here;
  const std::string path = here.with("closed", kOurs);
  ::chmod(path.c_str(), 0);
  ::chmod(here.path().c_str(), 0755);
  const unsigned user = ::access(path.c_str(), R_OK) == 0 ? kNobody : 0;  // root reads every file
  if (switchyard({"--version"}, {.user = user}).code != 0) GTEST_SKIP() << "nobody but root may run the program here";
  for (const char* flag : {"--trace", "--fleet", "--reenact"})
    expect_refusal(switchyard({"replay", flag, path}, {.user = user}), path + ": cannot be read (Permission denied)");
}

TEST(Files, DevicesAreReadOrRefusedInBoundedMemory) {
  for (const Words& words : {Words{"replay", "--trace"}, Words{"replay", "--fleet"}, Words{"replay", "--reenact"}}) {
    Words endless = words;
    endless.push_back("/dev/zero");
    const Ran ran = switchyard(endless);
    expect_refusal(ran, "/dev/zero:");
    EXPECT_LT(ran.peak_kib, 512 << 10);
  }
}

TEST(Outputs, APlaceThatCannotBeWrittenIsRefused) {
  const Scratch here;
  const std::string nowhere = here.at("no/such/folder");
  for (const char* flag : {"--json", "--requests-csv", "--record"}) {
    expect_refusal(switchyard({"replay", "--limit", "5", flag, nowhere}), nowhere + ": cannot be written (");
    expect_refusal(switchyard({"replay", "--limit", "5", flag, here.path()}), ": is a directory; give a file name");
  }
  expect_refusal(switchyard({"trace", "gen", "gen:azure-conv", "--out", nowhere}), nowhere + ": cannot be written (");
  EXPECT_TRUE(here.files().empty());
}

TEST(Outputs, AFullDiskIsSaid) {
  struct stat about{};
  if (::stat("/dev/full", &about) != 0 || !S_ISCHR(about.st_mode)) GTEST_SKIP() << "no /dev/full here";
  const Words small = {"replay", "--limit", "300", "--quiet"};
  for (const char* flag : {"--json", "--requests-csv", "--record"}) {
    Words words = small;
    words.insert(words.end(), {flag, "/dev/full"});
    expect_refusal(switchyard(words), "/dev/full: cannot be written to its end (No space left on device)");
  }
  expect_refusal(switchyard({"trace", "gen", "gen:azure-conv", "--out", "/dev/full"}), "/dev/full: cannot be written");
  const int full = ::open("/dev/full", O_WRONLY);
  for (const Words& words :
       {Words{"replay", "--limit", "5"}, Words{"models"}, Words{"topo"}, Words{"--help"}, Words{"--version"},
        Words{"replay", "--limit", "300", "--json", "-"}, Words{"trace", "gen", "gen:azure-conv"}})
    expect_refusal(switchyard(words, {.out = full}), "standard output: cannot be written to its end");
  ::close(full);
  ::stat("/dev/full", &about);
  EXPECT_TRUE(S_ISCHR(about.st_mode)) << "a device was replaced by a file";
}

TEST(Outputs, NoneLiesOnAnotherOrOnAnInput) {
  const Scratch here;
  const std::string trace = here.with("day.csv", kOurs + "0,1,1\n");
  const std::string fleet = here.with("fleet.yaml", "pools: [{name: a, model: llama-3.1-8b, accelerator: l40s}]\n");
  std::filesystem::create_symlink("day.csv", here.at("link.csv"));
  const auto files = here.files();
  const Words words = {"replay", "--trace", trace, "--fleet", fleet};
  const auto refused = [&](const Words& more) {
    Words all = words;
    all.insert(all.end(), more.begin(), more.end());
    expect_refusal(switchyard(all), "accepted: a file");
  };
  refused({"--json", here.at("a"), "--requests-csv", here.at("a")});
  refused({"--json", here.at("a"), "--record", here.at("./a")});
  refused({"--json", "-", "--requests-csv", "-"});
  refused({"--record", "-"});
  refused({"--record", trace});
  refused({"--json", fleet});
  refused({"--requests-csv", here.at("link.csv")});
  EXPECT_EQ(bytes_of(trace), kOurs + "0,1,1\n");
  EXPECT_EQ(here.files(), files);
}

TEST(Outputs, WhatFailsHalfwayLeavesNoneOfThem) {
  const Scratch here;
  std::string text = kOurs;
  for (int i = 0; i < 5000; ++i) text += std::to_string(i) + "000000,100,10\n";
  here.with("day.csv", text + "x,1,1\n");
  here.with("old.json", "before");
  const Ran ran = switchyard({"replay", "--trace", here.at("day.csv"), "--requests-csv", here.at("r.csv"), "--json",
                              here.at("old.json"), "--record", here.at("r.rec")});
  expect_refusal(ran, "day.csv:5002: arrival_ns: found 'x'");
  EXPECT_EQ(here.files(), (std::vector<std::string>{"day.csv", "old.json"}));
  EXPECT_EQ(bytes_of(here.at("old.json")), "before");
  expect_refusal(switchyard({"trace", "gen", here.at("day.csv"), "--out", here.at("copy.csv")}), "day.csv:5002: ");
  EXPECT_EQ(here.files(), (std::vector<std::string>{"day.csv", "old.json"}));
}

// ---- traces --------------------------------------------------------------------------------------------------------

Ran replay_csv(const Scratch& here, const std::string& text, const std::string& fleet = "builtin:single") {
  return switchyard({"replay", "--trace", here.with("t.csv", text), "--fleet", fleet, "--quiet", "--requests-csv",
                     here.at("r.csv"), "--json", here.at("r.json"), "--record", here.at("r.rec")});
}

// Exit 0 with all outputs, or 2 with one line and none.
void expect_whole_or_refused(const Scratch& here, const Ran& ran, const std::string& what) {
  EXPECT_TRUE(ran.code == 0 || ran.code == 2) << what << '\n' << ran;
  EXPECT_EQ(ran.out, "") << what;
  EXPECT_TRUE(ran.code == 0 ? ran.err.empty() : is_one_line(ran.err)) << what << '\n' << ran;
  const std::vector<std::string> all = {"r.csv", "r.json", "r.rec", "t.csv"}, none = {"t.csv"};
  EXPECT_EQ(here.files(), ran.code == 0 ? all : none) << what;
  for (const char* file : {"r.csv", "r.json", "r.rec"}) std::filesystem::remove(here.at(file));
}

TEST(Csv, CutAtEveryByteIsWholeOrRefused) {
  const std::string text = kAzure + "2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:50.9951690,396,109\n";
  const Scratch here;
  int refused = 0;
  for (std::size_t n = 0; n <= text.size(); ++n) {
    const Ran ran = replay_csv(here, text.substr(0, n));
    expect_whole_or_refused(here, ran, "the first " + std::to_string(n) + " bytes");
    refused += ran.code == 2;
  }
  EXPECT_GT(refused, 80);
}

TEST(Csv, WrongOnesAreRefusedWithLineAndColumn) {
  const Scratch here;
  const std::string row = "2023-11-16 18:15:46,374,44\n";
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"", "t.csv: is empty; accepted: a first line "},
      {"a,b,c\n1,2,3\n", "t.csv:1: found columns 'a,b,c'"},
      {"TIMESTAMP,ContextTokens\n", "t.csv:1: GeneratedTokens: found no such column"},
      {"TIMESTAMP,ContextToken,GeneratedTokens\n", "found no such column, but 'ContextToken'"},
      {"TIMESTAMP,ContextTokens,GeneratedTokens,ContextTokens\n", "ContextTokens: found twice, as columns 2 and 4"},
      {kAzure + row + "2023-11-16 18:15:46,374\n", "t.csv:3: found 2 cells"},
      {kAzure + "2023-11-16 18:15:46,-1,44\n", "t.csv:2: ContextTokens: found '-1'"},
      {kAzure + "2023-11-16 18:15:46,NaN,44\n", "ContextTokens: found 'NaN'"},
      {kAzure + "2023-11-16 18:15:46,1.5,44\n", "ContextTokens: found '1.5'"},
      {kAzure + "2023-11-16 18:15:46,99999999999999999999,44\n", "ContextTokens: found '99999999999999999999'"},
      {kAzure + "2023-11-16 18:15:46,374,inf\n", "GeneratedTokens: found 'inf'"},
      {kAzure + "2023-02-30 18:15:46,374,44\n", "TIMESTAMP: found '2023-02-30 18:15:46'"},
      {kAzure + row + "2023-11-16 18:15:45,374,44\n", "t.csv:3: TIMESTAMP: found a time 1000000000 ns before"},
      {kAzure + std::string("2023-11-16\0 18:15:46,374,44\n", 28), "t.csv:2: found a NUL byte"},
      {kAzure + '"' + row, "found a quote that is not closed"},
      {kOurs + "-5,1,1\n", "arrival_ns: found '-5'"},
      {kOurs + "0,0,1\n", "prompt_tokens: found '0'"},
      {kOurs + "0,1,1\n9223372036854775808,1,1\n", "t.csv:3: arrival_ns: found '9223372036854775808'"},
      {kOurs + std::string(70'000, '1') + "\n", "t.csv:2: "},
      {std::string("\xff\xfe"
                   "T\0I\0",
                   6),
       "t.csv:1: "}};
  for (const auto& [text, piece] : wrong) {
    const Ran ran = replay_csv(here, text);
    expect_refusal(ran, piece);
    expect_whole_or_refused(here, ran, text);
  }
}

TEST(Csv, ByteOrderMarkCrLfAndTheOrderOfColumnsChangeNothing) {
  const Scratch here;
  const auto rows = [&](const std::string& text) {
    const Ran ran = replay_csv(here, text);
    EXPECT_EQ(ran.code, 0) << ran;
    return bytes_of(here.at("r.csv"));
  };
  const std::string plain = rows(kOurs + "0,10,5\n7,20,6\n");
  EXPECT_GT(plain.size(), 200u);
  EXPECT_EQ(rows("\xef\xbb\xbf" + kOurs + "0,10,5\n7,20,6"), plain);
  EXPECT_EQ(rows("arrival_ns,prompt_tokens,output_tokens\r\n0,10,5\r\n7,20,6\r\n"), plain);
  EXPECT_EQ(rows("output_tokens,note,arrival_ns,prompt_tokens\n5,\"a, b\",0,10\n6,,7,20\n"), plain);
}

TEST(Csv, HostileNamesStayOnOneLine) {
  const Scratch here;
  expect_refusal(switchyard({"replay", "--trace", here.at("a\nb\x1b[2J.csv")}), "a\\x0ab\\x1b[2J.csv");
  expect_refusal(switchyard({"replay", "--policy", std::string(5000, 'x') + '\n'}), "...'; nearest is ");
  expect_refusal(switchyard({"replay", "--limit", "5", "--json", std::string(256, 'x')}), ": cannot be written (");
}

// ---- fleets --------------------------------------------------------------------------------------------------------

TEST(FleetFile, WrongOnesAreRefusedByEveryVerbThatReadsThem) {
  const Scratch here;
  std::string bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n";
  for (char c = 'b'; c < 'j'; ++c) {
    const std::string before = std::string("*") + static_cast<char>(c - 1);
    bomb += std::string(1, c) + ": &" + c + " [" + before;
    for (int i = 0; i < 8; ++i) bomb += "," + before;
    bomb += "]\n";
  }
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"", "f.yaml: found no fleet"},
      {"pools:\n  - {name: a, model: llama-3.1-8b, accelerator: h100-sx}\n", "nearest is 'h100-sxm'"},
      {"pools:\n  - {name: a, modle: llama-3.1-8b}\n", "f.yaml:2: pools[0].modle: unknown key; nearest is 'model'"},
      {"pools:\n  - {name: a, name: b}\n", "f.yaml:2: 'name': found twice, first in line 2"},
      {"pools:\n  - {name: a, model: llama-3.1-70b, accelerator: l40s}\n", "llama-3.1-70b does not fit: "},
      {bomb, "f.yaml:1: found an anchor (&)"},
      {"pools: [\n", "f.yaml:"}};
  for (const auto& [text, piece] : wrong) {
    const std::string path = here.with("f.yaml", text);
    for (const Words& words : {Words{"fleet", "check"}, Words{"fleet", "show"}, Words{"replay", "--fleet"}}) {
      Words all = words;
      all.push_back(path);
      const Ran ran = switchyard(all);
      expect_refusal(ran, piece);
      EXPECT_LT(ran.peak_kib, 512 << 10);
    }
  }
}

// ---- odd but right -------------------------------------------------------------------------------------------------

std::string row_of(const Scratch& here, const std::string& text, const std::string& fleet = "builtin:single") {
  const Ran ran = replay_csv(here, text, fleet);
  EXPECT_EQ(ran.code, 0) << ran;
  EXPECT_NE(bytes_of(here.at("r.json")).find("\"decision_hash\""), std::string::npos);
  const std::string csv = bytes_of(here.at("r.csv"));
  return csv.substr(csv.find('\n') + 1);
}

TEST(Outcomes, AnEmptyTraceIsAReportOfNothing) {
  const Scratch here;
  EXPECT_EQ(row_of(here, kOurs), "");
  const Ran ran = switchyard({"replay", "--trace", here.at("t.csv")});
  EXPECT_EQ(ran.code, 0);
  EXPECT_NE(ran.out.find("\nall                0 "), std::string::npos) << ran;
  EXPECT_EQ(switchyard({"replay", "--reenact", here.at("r.rec")}).code, 0);
}

TEST(Outcomes, OneRequestIsDone) {
  const Scratch here;
  EXPECT_TRUE(row_of(here, kOurs + "5,10,3\n").ends_with(",h100,0,done,,0\n"));
}

TEST(Outcomes, NoOutputTokenIsDoneWithoutAFirstToken) {
  const Scratch here;
  const std::string row = row_of(here, kOurs + "5,10,0\n");
  EXPECT_TRUE(row.starts_with("0,llama-3.1-8b,interactive,default,10,0,0,0,0,,")) << row;
  EXPECT_TRUE(row.ends_with(",h100,0,done,,0\n")) << row;
}

TEST(Outcomes, APromptLongerThanTheModelIsRejectedAtTheDoor) {
  const Scratch here;
  EXPECT_EQ(row_of(here, kOurs + "5,200000,3\n"),
            "0,llama-3.1-8b,interactive,default,200000,0,0,0,,,0,,,rejected,too_long,0\n");
}

TEST(Outcomes, APromptLongerThanEveryKvPoolIsRejectedAtTheDoor) {
  const Scratch here, of_fleet;
  const std::string fleet =
      of_fleet.with("tiny.yaml", "pools:\n  - {name: a, model: llama-3.1-8b, accelerator: h100-sxm, kv_blocks: 4}\n");
  const std::string rows = row_of(here, kOurs + "5,65,1\n6,64,1\n", fleet);
  EXPECT_NE(rows.find("0,llama-3.1-8b,interactive,default,65,0,0,0,,,0,,,rejected,too_long,0\n"), std::string::npos);
  EXPECT_NE(rows.find(",a,0,done,,0\n"), std::string::npos);
}

TEST(Outcomes, AnAnswerThatOutgrowsTheLimitEndsThere) {  // the trace does not say how long it may be: 131,072 in all
  const Scratch here;
  const std::string row = row_of(here, kOurs + "0,131000,9999\n");
  EXPECT_NE(row.find(",131000,72,"), std::string::npos) << row;
}

}  // namespace
}  // namespace yard::testing
