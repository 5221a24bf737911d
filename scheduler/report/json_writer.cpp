#include "scheduler/report/json_writer.h"

#include <utility>

#include <fmt/format.h>

#include "scheduler/base/check.h"
#include "scheduler/base/utf8.h"

namespace yard {

std::string json_quoted(std::string_view text) {
  std::string out = "\"";
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = utf8_length(text.substr(at));
    const char c = text[at];
    if (length == 0) {
      out += "\\ufffd";
    } else if (c == '"' || c == '\\') {
      (out += '\\') += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += text.substr(at, length);
    }
    at += length == 0 ? 1 : length;
  }
  return out += '"';
}

void JsonWriter::next(std::string_view key) {
  if (!first_) text_ += ',';
  if (!closers_.empty()) text_.append("\n").append(2 * closers_.size(), ' ');
  const bool in_object = !closers_.empty() && closers_.back() == '}';
  CHECK_WHY(in_object != key.empty(), "an object's members have keys, and nothing else has");
  if (in_object) text_ += json_quoted(key) + ": ";
  first_ = false;
}

void JsonWriter::begin(std::string_view key, char open, char close) {
  next(key);
  text_ += open;
  closers_ += close;
  first_ = true;
}

void JsonWriter::end() {
  CHECK(!closers_.empty());
  const char close = closers_.back();
  closers_.pop_back();
  if (!first_) text_.append("\n").append(2 * closers_.size(), ' ');
  text_ += close;
  first_ = false;
}

void JsonWriter::string(std::string_view key, std::string_view text) {
  next(key);
  text_ += json_quoted(text);
}

void JsonWriter::literal(std::string_view key, std::string_view json) {
  next(key);
  text_ += json;
}

std::string JsonWriter::finish() && {
  CHECK(closers_.empty() && !text_.empty());
  text_ += '\n';
  return std::move(text_);
}

}  // namespace yard
