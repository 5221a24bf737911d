// What the tests of traces share: files for one test, and what became of reading them.
#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/base/input_error.h"
#include "scheduler/trace/trace.h"
#include "tests/shared_data.h"

namespace yard::testing {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "switchyard-trace-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  std::string file(std::string_view name) const { return (path_ / name).string(); }
  std::string with(std::string_view text) const {
    const std::string path = file("trace.csv");
    std::filesystem::remove(path);  // some file systems write a file out when it is cut to nothing and filled again
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

 private:
  std::filesystem::path path_;
};

inline std::vector<TraceRow> rows_of(const std::string& name, Seed seed = 1, std::uint64_t limit = 0,
                                     double scale = 1.0) {
  std::vector<TraceRow> rows;
  const auto reader = open_trace(name, seed, limit, scale);
  while (const auto row = reader->next()) rows.push_back(*row);
  return rows;
}

// `arrival/prompt/output` or `arrival/prompt/output/max` of each row, `*n` where it asks for n answers, with blanks
// between.
inline std::string shown(const std::vector<TraceRow>& rows) {
  std::string out;
  for (const TraceRow& row : rows) {
    if (!out.empty()) out += ' ';
    out += std::to_string(row.arrival.ns()) + '/' + std::to_string(row.prompt.count()) + '/' +
           std::to_string(row.output.count());
    if (row.max_output) out += '/' + std::to_string(row.max_output->count());
    if (row.answers > 1) out += '*' + std::to_string(row.answers);
    if (row.adapter > 0) out += '@' + std::to_string(row.adapter);
  }
  return out;
}

// What reading `name` to its end says: an InputError's message, its own file name replaced by FILE; or the rows.
inline std::string outcome_of(const std::string& name, std::uint64_t limit = 0, double scale = 1.0) {
  try {
    return shown(rows_of(name, 1, limit, scale));
  } catch (const InputError& error) {
    std::string what = error.what();
    EXPECT_EQ(what.find('\n'), std::string::npos) << what;
    if (what.starts_with(name)) what = "FILE" + what.substr(name.size());
    return what;
  }
}
inline std::string outcome_of_text(std::string_view text, std::uint64_t limit = 0, double scale = 1.0) {
  const TemporaryFolder folder;
  return outcome_of(folder.with(text), limit, scale);
}

}  // namespace yard::testing
