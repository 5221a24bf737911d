// A file that appears whole or not at all: written beside its final name, renamed by commit(), removed otherwise.
// A device or a pipe, such as /dev/null, is written through.
#pragma once
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

namespace yard {

// Where a file grows until it is whole: beside its own name; at a device or a pipe itself.
class Place {
 public:
  explicit Place(std::string path);  // Errors: InputError where a directory is.
  ~Place();                          // what was not kept is removed
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  const std::string& path() const { return path_; }
  const std::string& grows_at() const { return temporary_.empty() ? path_ : temporary_; }

  // Requires: closed by whoever wrote it. Errors: InputError when the rename is refused; the file is then gone.
  void keep();

 private:
  std::string path_, temporary_;  // temporary_ is empty where it is written through, and when it was kept
};

class OutputFile {
 public:
  // Errors: InputError when the place cannot be written to. "-" is standard output, written through.
  explicit OutputFile(std::string path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(std::string_view bytes);
  void commit();  // Errors: InputError when the disk is full or the rename is refused; the file is then gone.

 private:
  [[noreturn]] void fail(const char* what);
  std::optional<Place> place_;  // none: standard output
  std::FILE* file_ = nullptr;
};

}  // namespace yard
