// A file that appears whole or not at all: written beside its final name, renamed by commit(), removed otherwise.
// A device or a pipe, such as /dev/null, is written through.
#pragma once
#include <cstdio>
#include <string>
#include <string_view>

namespace yard {

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
  std::string path_, temporary_;  // temporary_ is empty where it is written through
  std::FILE* file_ = nullptr;
};

}  // namespace yard
