// Runs the built `switchyard` as a user would, and tells what became of it.
//
//   const Ran ran = switchyard({"replay", "--limit", "5"});
//   ran.code, ran.out, ran.err
//
// A program that hangs is ended by its limit of CPU time. Threads: one; it forks.
#pragma once
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <ostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tests/scratch.h"
#include "tests/shared_data.h"

namespace yard::testing {

struct Ran {
  int code = -1;  // 128 and more: ended by that signal
  std::string out, err;
  long peak_kib = 0;  // resident memory
};

inline std::ostream& operator<<(std::ostream& to, const Ran& ran) {
  return to << "code " << ran.code << "\n---- standard output:\n" << ran.out << "---- standard error:\n" << ran.err;
}

// A file without a name, gone when it is closed.
class Capture {
 public:
  Capture() : file_(std::tmpfile()) {
    if (!file_) throw std::runtime_error("no temporary file");
  }
  ~Capture() { std::fclose(file_); }
  Capture(const Capture&) = delete;
  int fd() const { return ::fileno(file_); }
  std::string text() const {
    std::rewind(file_);
    std::string all;
    char bytes[1 << 16];
    while (const std::size_t n = std::fread(bytes, 1, sizeof bytes, file_)) all.append(bytes, n);
    return all;
  }

 private:
  std::FILE* const file_;
};

struct Into {
  int out = -1, err = -1;   // descriptors instead of captures
  std::string folder = {};  // to run in
  unsigned user = 0;        // to run as, where that is allowed; 0: as this one
};

// Runs a program with its path in words[0].
inline Ran run_program(const std::vector<std::string>& words, const Into& into = {}) {
  constexpr rlim_t kCpuSeconds = 300;
  const Capture out, err;
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("cannot fork");
  if (child == 0) {
    const rlimit limit{kCpuSeconds, kCpuSeconds};
    ::setrlimit(RLIMIT_CPU, &limit);
    ::dup2(into.out >= 0 ? into.out : out.fd(), STDOUT_FILENO);
    ::dup2(into.err >= 0 ? into.err : err.fd(), STDERR_FILENO);
    if (!into.folder.empty() && ::chdir(into.folder.c_str()) != 0) ::_exit(126);
    if (into.user != 0 && (::setgid(into.user) != 0 || ::setuid(into.user) != 0)) ::_exit(126);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  int status = 0;
  rusage use{};
  ::wait4(child, &status, 0, &use);
  return {.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
          .out = out.text(),
          .err = err.text(),
          .peak_kib = use.ru_maxrss};
}

inline std::string program() {
  const char* const other = std::getenv("SWITCHYARD_PROGRAM");
  return other ? other : SWITCHYARD_PROGRAM;
}

inline Ran switchyard(std::vector<std::string> words, const Into& into = {}) {
  words.insert(words.begin(), program());
  return run_program(words, into);
}

inline std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline bool is_one_line(std::string_view text) {
  return text.size() > 1 && text.find('\n') == text.size() - 1 && text.size() < 1000;
}

// What a refusal must look like: exit 2, nothing on standard output, one line that begins with the program's name and
// contains `piece`.
inline void expect_refusal(const Ran& ran, std::string_view piece) {
  EXPECT_EQ(ran.code, 2) << ran;
  EXPECT_EQ(ran.out, "") << ran;
  EXPECT_TRUE(is_one_line(ran.err)) << ran;
  EXPECT_TRUE(ran.err.starts_with("switchyard: ")) << ran;
  EXPECT_NE(ran.err.find(piece), std::string::npos) << "lacks: " << piece << '\n' << ran;
}

// The report without what the machine says: the last line, and the version.
inline std::string decided_text(const std::string& text) {
  const std::size_t last = text.rfind("\nmade in ");
  EXPECT_NE(last, std::string::npos) << text;
  const std::size_t version = text.find_first_of(' ') + 1, behind = text.find(' ', version);
  return text.substr(0, version) + "VERSION" + text.substr(behind, last + 1 - behind);
}

// The same of the JSON: without its object "run".
inline std::string decided_json(const std::string& json) {
  const std::size_t run = json.find(",\n  \"run\": {");
  EXPECT_NE(run, std::string::npos) << json;
  constexpr std::string_view kKey = "\"version\": \"";
  const std::size_t version = json.find(kKey);
  EXPECT_NE(version, std::string::npos) << json;
  const std::size_t from = version + kKey.size();
  return json.substr(0, from) + "VERSION" + json.substr(json.find('"', from), run - json.find('"', from)) + "\n}\n";
}

// Returns: a file of the shared data, or "" where it is absent.
inline std::string shared_file(std::string_view below) { return shared_data(below).string(); }

}  // namespace yard::testing

#define NEED_SHARED_FILE(variable, below)                           \
  const std::string variable = ::yard::testing::shared_file(below); \
  if (variable.empty()) GTEST_SKIP() << "no " << (below) << " in SWITCHYARD_DATA_DIR (../shared/data)"
