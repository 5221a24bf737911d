#include "scheduler/trace/lines.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "scheduler/base/check.h"
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

LineReader::LineReader(LineReader&& from) noexcept
    : path_(std::move(from.path_)),
      file_(std::exchange(from.file_, -1)),
      gunzip_(std::move(from.gunzip_)),
      max_line_(from.max_line_),
      window_(std::move(from.window_)),
      at_(from.at_),
      end_(from.end_),
      ended_(from.ended_),
      number_(from.number_) {}

LineReader::~LineReader() {
  if (file_ >= 0) ::close(file_);
}

std::string_view LineReader::peek() {
  const auto seen = [&] { return static_cast<std::size_t>(end_ - at_); };
  while (!ended_ && seen() <= kMaxLine && std::memchr(at_, '\n', seen()) == nullptr) refill();
  const std::string_view all(at_, std::min(seen(), kMaxLine));
  return all.substr(0, all.find('\n'));
}

void LineReader::allow_lines_of(std::size_t bytes) {
  CHECK(bytes >= kMaxLine);
  auto larger = std::make_unique_for_overwrite<char[]>(kWindow + bytes);
  const auto left = static_cast<std::size_t>(end_ - at_);
  std::memcpy(larger.get(), at_, left);
  window_ = std::move(larger);
  max_line_ = bytes;
  at_ = window_.get();
  end_ = at_ + left;
}

int LineReader::shown_number() const {
  return static_cast<int>(std::min<std::int64_t>(number_, std::numeric_limits<int>::max()));
}

// The rest of the window holds no line end: it moves to the front, and more is read behind it.
bool LineReader::next_across(std::string_view& line) {
  while (!ended_) {
    const auto seen = static_cast<std::size_t>(end_ - at_);
    if (seen > max_line_ + 1) {  // 1: a \r whose \n has yet to come
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
  std::size_t filled = left, n = 0;
  do {  // a pipe gives little at a time; the mark needs three bytes
    n = read_some(window_.get() + filled, kWindow + max_line_ - filled);
    filled += n;
    if (first && !gunzip_ && filled >= 2 && Gunzip::begins(std::string_view(window_.get(), filled))) {
      gunzip_ = std::make_unique<Gunzip>(std::string(window_.get(), filled));
      filled = 0;
      n = 1;  // something may come yet
    }
  } while (n > 0 && filled < 3);
  ended_ = n == 0;
  at_ = window_.get();
  end_ = at_ + filled;
  if (first && std::string_view(at_, end_).starts_with("\xef\xbb\xbf")) at_ += 3;
}

std::size_t LineReader::read_some(char* to, std::size_t size) {
  if (!gunzip_) return read_file(to, size);
  for (;;) {
    if (const std::size_t made = gunzip_->take(to, size); made > 0) return made;
    const auto room = gunzip_->room();
    const std::size_t n = gunzip_->damaged() ? 0 : read_file(room.data(), room.size());
    if (n == 0) break;
    gunzip_->give(n);
  }
  if (gunzip_->whole()) return 0;
  throw InputError(path_, 0, "",
                   fmt::format("found compressed data that {} behind line {}",
                               gunzip_->damaged() ? "is damaged" : "ends too early", number_),
                   "check the file with gzip -t");
}

std::size_t LineReader::read_file(char* to, std::size_t size) {
  for (;;) {
    const ssize_t n = ::read(file_, to, size);
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno != EINTR)
      throw InputError(path_, shown_number() + 1, "", fmt::format("cannot be read ({})", std::strerror(errno)),
                       "check the file and the disk");
  }
}

void LineReader::too_long() const {
  throw InputError(path_, shown_number(), "", fmt::format("found a line of more than {} bytes", max_line_),
                   "accepted: text of one row a line (is the file compressed, or of another kind?)");
}

}  // namespace yard
