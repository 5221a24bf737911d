#include "scheduler/base/output_file.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include <fmt/format.h>

#include "scheduler/base/input_error.h"

namespace yard {

OutputFile::OutputFile(std::string path) : path_(std::move(path)) {
  if (path_ == "-") {
    file_ = stdout;
    return;
  }
  if (std::filesystem::is_directory(path_)) throw InputError(path_, 0, "", "is a directory", "give a file name");
  std::error_code ignored;
  const auto kind = std::filesystem::status(path_, ignored).type();
  // A device or a pipe is written through: renamed onto, /dev/null would be a plain file for everybody.
  const bool plain = kind == std::filesystem::file_type::regular || kind == std::filesystem::file_type::not_found;
  if (plain) temporary_ = fmt::format("{}.partial-{}", path_, ::getpid());
  file_ = std::fopen((plain ? temporary_ : path_).c_str(), "wb");
  if (!file_) fail("cannot be written");
}

OutputFile::~OutputFile() {
  if (!file_ || file_ == stdout) return;
  std::fclose(file_);
  if (!temporary_.empty()) std::remove(temporary_.c_str());
}

void OutputFile::write(std::string_view bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) fail("cannot be written to its end");
}

void OutputFile::commit() {
  if (std::fflush(file_) != 0) fail("cannot be written to its end");
  if (file_ == stdout) return;
  std::FILE* const file = std::exchange(file_, nullptr);
  const bool in_place =
      std::fclose(file) == 0 && (temporary_.empty() || std::rename(temporary_.c_str(), path_.c_str()) == 0);
  if (!in_place) {
    const std::string why = std::strerror(errno);
    if (!temporary_.empty()) std::remove(temporary_.c_str());
    throw InputError(path_, 0, "", fmt::format("cannot be put in place ({})", why), "check the folder and the disk");
  }
}

void OutputFile::fail(const char* what) {
  throw InputError(path_, 0, "", fmt::format("{} ({})", what, std::strerror(errno)), "check the folder and the disk");
}

}  // namespace yard
