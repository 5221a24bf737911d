#include "scheduler/trace/lines.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include <fmt/format.h>

#include "scheduler/base/input_error.h"

namespace yard {
namespace {

int open_file(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    const int why = errno;
    if (why == ENOENT || why == ENOTDIR)
      throw InputError(path, 0, "", "no such file", "give the path of an existing file");
    throw InputError(path, 0, "", fmt::format("cannot be read ({})", std::strerror(why)), "check its permissions");
  }
  struct stat about{};
  if (::fstat(file, &about) == 0 && S_ISDIR(about.st_mode)) {
    ::close(file);
    throw InputError(path, 0, "", "is a directory", "give a file");
  }
  return file;
}

}  // namespace

LineReader::LineReader(std::string path)
    : path_(std::move(path)),
      file_(open_file(path_)),
      window_(std::make_unique_for_overwrite<char[]>(kWindow + kMaxLine)),
      at_(window_.get()),
      end_(window_.get()) {}

LineReader::~LineReader() { ::close(file_); }

int LineReader::shown_number() const {
  return static_cast<int>(std::min<std::int64_t>(number_, std::numeric_limits<int>::max()));
}

// The rest of the window holds no line end: it moves to the front, and more is read behind it.
bool LineReader::next_across(std::string_view& line) {
  while (!ended_) {
    const auto seen = static_cast<std::size_t>(end_ - at_);
    if (seen > kMaxLine + 1) {  // 1: a \r whose \n has yet to come
      ++number_;
      too_long();
    }
    refill();
    if (const void* const found = std::memchr(at_ + seen, '\n', static_cast<std::size_t>(end_ - at_) - seen)) {
      const auto* const end = static_cast<const char*>(found);
      line = std::string_view(at_, end);
      at_ = end + 1;
      finish(line);
      return true;
    }
  }
  if (at_ == end_) return false;
  line = std::string_view(at_, end_);
  at_ = end_;
  finish(line);
  return true;
}

void LineReader::refill() {
  const auto left = static_cast<std::size_t>(end_ - at_);
  std::memmove(window_.get(), at_, left);
  const bool first = number_ == 0 && left == 0;
  std::size_t filled = left;
  ssize_t n = 0;
  do {  // a pipe gives little at a time; the mark needs three bytes
    n = ::read(file_, window_.get() + filled, kWindow + kMaxLine - filled);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      throw InputError(path_, shown_number() + 1, "", fmt::format("cannot be read ({})", std::strerror(errno)),
                       "check the file and the disk");
    filled += static_cast<std::size_t>(n);
  } while (n < 0 || (n > 0 && filled < 3));
  ended_ = n == 0;
  at_ = window_.get();
  end_ = at_ + filled;
  if (first && std::string_view(at_, end_).starts_with("\xef\xbb\xbf")) at_ += 3;
}

void LineReader::too_long() const {
  throw InputError(path_, shown_number(), "", fmt::format("found a line of more than {} bytes", kMaxLine),
                   "accepted: text of one row a line (is the file compressed, or of another kind?)");
}

}  // namespace yard
