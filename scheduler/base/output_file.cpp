#include "scheduler/base/output_file.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include <fmt/format.h>

#include "scheduler/base/input_error.h"

namespace yard {
namespace {

// /dev/stdout is a link, and may be one to a plain file.
bool is_of_the_system(const std::string& path) { return path.starts_with("/dev/") || path.starts_with("/proc/"); }

constexpr const char* kRemedy = "check the folder and the disk";

std::string because(const char* what) { return fmt::format("{} ({})", what, std::strerror(errno)); }

}  // namespace

Place::Place(std::string path) : path_(std::move(path)) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  if (fs::is_directory(path_, ignored)) throw InputError(path_, 0, "", "is a directory", "give a file name");
  if (is_of_the_system(path_)) return;
  // The file behind a link is replaced, not the link.
  if (fs::is_symlink(path_, ignored))
    if (const fs::path file = fs::canonical(path_, ignored); !file.empty()) path_ = file;
  const auto kind = fs::status(path_, ignored).type();
  // A device or a pipe is written through: renamed onto, /dev/null would be a plain file for everybody.
  if (kind == fs::file_type::regular || kind == fs::file_type::not_found)
    temporary_ = fmt::format("{}.partial-{}", path_, ::getpid());
}

Place::~Place() {
  if (!temporary_.empty()) std::remove(temporary_.c_str());
}

void Place::keep() {
  if (temporary_.empty()) return;
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0)
    throw InputError(path_, 0, "", because("cannot be put in place"), kRemedy);
  temporary_.clear();
}

OutputFile::OutputFile(std::string path) {
  if (path == "-") {
    file_ = stdout;
    return;
  }
  place_.emplace(std::move(path));
  file_ = std::fopen(place_->grows_at().c_str(), "wb");
  if (!file_) fail("cannot be written");
}

OutputFile::~OutputFile() {
  if (file_ && file_ != stdout) std::fclose(file_);
}

void OutputFile::write(std::string_view bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) fail("cannot be written to its end");
}

void OutputFile::commit() {
  if (std::fflush(file_) != 0) fail("cannot be written to its end");
  if (file_ == stdout) return;
  if (std::fclose(std::exchange(file_, nullptr)) != 0) fail("cannot be written to its end");
  place_->keep();
}

void OutputFile::fail(const char* what) {
  throw InputError(place_ ? place_->path() : "standard output", 0, "", because(what), kRemedy);
}

}  // namespace yard
