#include "scheduler/base/input_error.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>

#include <fmt/format.h>

#include "scheduler/base/utf8.h"

namespace yard {
namespace {

// A path stands whole in a message, or nobody can find the file.
constexpr std::size_t kLongestPath = 4096;

std::string escaped(std::string_view text, std::size_t most) {
  std::string out;
  while (!text.empty()) {
    if (out.size() >= most) return out + "...";
    const std::size_t length = utf8_length(text);
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const bool control = byte(0) < 0x20 || byte(0) == 0x7f || (byte(0) == 0xc2 && length == 2 && byte(1) < 0xa0);
    const std::size_t taken = std::max<std::size_t>(length, 1);
    for (std::size_t i = 0; i < taken; ++i) {
      if (length == 0 || control)
        out += fmt::format("\\x{:02x}", byte(i));
      else
        out += text[i];
    }
    text.remove_prefix(taken);
  }
  return out;
}

std::string line_of(const std::string& file, int line, const std::string& key, const std::string& found,
                    const std::string& accepted) {
  std::string text;
  if (!file.empty()) text += escaped(file, kLongestPath), text += ":";
  if (line > 0) text += fmt::format("{}:", line);
  if (!text.empty()) text += ' ';
  if (!key.empty()) text += printable(key), text += ": ";
  text += found;
  if (!accepted.empty()) text += "; ", text += accepted;
  return text;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitute = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitute});
    }
  }
  return row[b.size()];
}

}  // namespace

InputError::InputError(std::string file_, int line_, std::string key_, std::string found_, std::string accepted_)
    : std::runtime_error(line_of(file_, line_, key_, found_, accepted_)),
      file(std::move(file_)),
      line(line_),
      key(std::move(key_)),
      found(std::move(found_)),
      accepted(std::move(accepted_)) {}

std::string printable(std::string_view text) { return escaped(text, 60); }

std::string_view nearest(std::string_view word, std::span<const std::string_view> names) {
  word = word.substr(0, 100);  // a hostile word must not cost more than a name
  std::string_view best;
  std::size_t least = std::string_view::npos;
  for (const auto name : names) {
    const std::size_t d = edit_distance(word, name);
    if (d < least) least = d, best = name;
  }
  return best;
}

std::string listed(std::span<const std::string_view> names) {
  std::string out;
  for (const auto name : names) {
    if (!out.empty()) out += ", ";
    out += name;
  }
  return out;
}

std::string read_file(const std::string& path, std::size_t max_bytes) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status))
    throw InputError(path, 0, "", "no such file", "give the path of an existing file");
  if (std::filesystem::is_directory(status)) throw InputError(path, 0, "", "is a directory", "give a file");
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), &std::fclose);
  if (!file)
    throw InputError(path, 0, "", fmt::format("cannot be read ({})", std::strerror(errno)), "check its permissions");
  std::string text;
  char buffer[1 << 16];
  while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, file.get())) {
    if (text.size() + n > max_bytes)
      throw InputError(path, 0, "", fmt::format("is larger than {} bytes", max_bytes), "give a smaller file");
    text.append(buffer, n);
  }
  if (std::ferror(file.get())) throw InputError(path, 0, "", "cannot be read to its end", "check the disk");
  return text;
}

}  // namespace yard
