#include "scheduler/report/text_table.h"

#include <algorithm>

#include <fmt/format.h>

#include "scheduler/base/check.h"
#include "scheduler/base/utf8.h"

namespace yard {
namespace {

constexpr std::string_view kGap = "  ";

// The characters of a text, control bytes and stray ones as \xNN.
std::vector<std::string> printable_characters(std::string_view text) {
  std::vector<std::string> characters;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = utf8_length(text.substr(at));
    const auto byte = static_cast<unsigned char>(text[at]);
    // C1 controls are U+0080 .. U+009F: c2 80 .. c2 9f.
    const bool c1 = length == 2 && byte == 0xc2 && static_cast<unsigned char>(text[at + 1]) < 0xa0;
    const std::size_t taken = length == 0 || c1 ? 1 : length;
    const bool shown = length > 0 && !c1 && byte >= 0x20 && byte != 0x7f;
    if (shown) {
      characters.emplace_back(text.substr(at, taken));
    } else {
      for (const char c : fmt::format("\\x{:02x}", byte)) characters.emplace_back(1, c);
    }
    at += taken;
  }
  return characters;
}

std::string padded(std::string_view cell, std::size_t width, Align align) {
  const std::string blanks(width - columns_of(cell), ' ');
  return align == Align::left ? std::string(cell) + blanks : blanks + std::string(cell);
}

void end_line(std::string& text) {
  text.erase(text.find_last_not_of(' ') + 1);
  text += '\n';
}

}  // namespace

std::size_t columns_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string fitted(std::string_view text, std::size_t columns, Cut cut) {
  CHECK(columns > 2);
  std::vector<std::string> characters = printable_characters(text);
  if (characters.size() > columns) {
    const auto surplus = static_cast<std::ptrdiff_t>(characters.size() - (columns - 2));
    if (cut == Cut::front) {
      characters.erase(characters.begin(), characters.begin() + surplus);
      characters.insert(characters.begin(), "..");
    } else {
      characters.erase(characters.end() - surplus, characters.end());
      characters.emplace_back("..");
    }
  }
  std::string out;
  for (const std::string& c : characters) out += c;
  return out;
}

void TextTable::row(std::vector<std::string> cells) {
  CHECK(cells.size() == columns_.size());
  rows_.push_back(std::move(cells));
}

// A title stands in the middle of a rule over its columns.
std::string TextTable::groups(const std::vector<std::size_t>& widths) const {
  std::string text;
  for (std::size_t c = 0, next = 0; c < columns_.size(); c = next) {
    const std::string& group = columns_[c].group;
    std::size_t span = widths[c];
    for (next = c + 1; next < columns_.size() && columns_[next].group == group; ++next) {
      span += kGap.size() + widths[next];
    }
    if (c > 0) text += kGap;
    text += group.empty() ? std::string(span, ' ') : fmt::format("{:-^{}}", fmt::format(" {} ", group), span);
  }
  return text;
}

std::string TextTable::text() const {
  std::vector<std::size_t> widths;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    std::size_t width = columns_of(columns_[c].head);
    for (const auto& row : rows_) width = std::max(width, columns_of(row[c]));
    widths.push_back(width);
  }
  std::string text;
  if (std::any_of(columns_.begin(), columns_.end(), [](const TextColumn& c) { return !c.group.empty(); })) {
    text += groups(widths);
    end_line(text);
  }
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    if (c > 0) text += kGap;
    text += padded(columns_[c].head, widths[c], columns_[c].align);
  }
  end_line(text);
  for (const auto& row : rows_) {
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      if (c > 0) text += kGap;
      text += padded(row[c], widths[c], columns_[c].align);
    }
    end_line(text);
  }
  return text;
}

}  // namespace yard
