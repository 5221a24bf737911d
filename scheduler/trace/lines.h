// The lines of a text file, one at a time, through a window of bounded size.
//
// A file that gzip made is read as what is in it, whatever its name.
//
// Threads: one. Owns: the file and 320 KiB, however long the file is (allow_lines_of() adds what it is given; gzip 110
// KiB). Pipes can be read too.
// L1  A line is at most kMaxLine bytes, or as many as allow_lines_of() said; a longer one is an error, not a
// truncation. L2  A line comes without its end: \n or \r\n. The last one may lack it. A byte order mark before the
// first is dropped.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "scheduler/trace/gunzip.h"

namespace yard {

class LineReader {
 public:
  static constexpr std::size_t kMaxLine = 64 * 1024;

  // Errors: InputError naming the path: missing, a directory, unreadable.
  explicit LineReader(std::string path);
  ~LineReader();
  LineReader(LineReader&&) noexcept;
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  // Returns: the first line without taking it, or its first kMaxLine bytes where it is longer; empty at the end of the
  // file. Valid until the next call. Requires: no line was taken yet. Errors: InputError: the file cannot be read.
  std::string_view peek();

  // Requires: at least kMaxLine.
  void allow_lines_of(std::size_t bytes);

  // Returns: whether there was another line; `line` is valid until the next call.
  // Errors: InputError: the file cannot be read on, or the line is longer than kMaxLine.
  bool next(std::string_view& line) {
    const auto* const end = static_cast<const char*>(std::memchr(at_, '\n', static_cast<std::size_t>(end_ - at_)));
    if (end == nullptr) [[unlikely]]
      return next_across(line);
    line = std::string_view(at_, end);
    at_ = end + 1;
    finish(line);
    return true;
  }

  std::int64_t number() const { return number_; }  // of the line read last, from 1
  int shown_number() const;                        // the same as messages take it
  const std::string& path() const { return path_; }

 private:
  static constexpr std::size_t kWindow = 256 * 1024;

  bool next_across(std::string_view& line);
  void refill();
  std::size_t read_some(char* to, std::size_t size);
  std::size_t read_file(char* to, std::size_t size);
  void finish(std::string_view& line) {
    ++number_;
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.size() > max_line_) [[unlikely]]
      too_long();
  }
  [[noreturn]] void too_long() const;

  std::string path_;
  int file_;  // -1: moved from
  std::unique_ptr<Gunzip> gunzip_;
  std::size_t max_line_ = kMaxLine;
  std::unique_ptr<char[]> window_;
  const char* at_;  // what was not handed out yet: [at_, end_)
  const char* end_;
  bool ended_ = false;
  std::int64_t number_ = 0;
};

}  // namespace yard
