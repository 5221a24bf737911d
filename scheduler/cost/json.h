// Just enough JSON to write: objects and lists in order, integers, exact decimals and text.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace yard::json {

// RFC 8259, section 7. Text that is valid UTF-8 stays as it is.
std::string quoted(std::string_view text);

// A scaled integer as a plain decimal: decimal(2'950'000'000, 9) is "2.95".
std::string decimal(std::int64_t n, int digits);

// Fields of one object, or items of one list, in the order in which they are added.
class Object {
 public:
  Object& raw(std::string_view key, std::string_view value) {
    text_ += text_.empty() ? "" : ", ";
    text_ += quoted(key) + ": " + std::string(value);
    return *this;
  }
  Object& text(std::string_view key, std::string_view value) { return raw(key, quoted(value)); }
  Object& number(std::string_view key, std::int64_t n, int digits = 0) { return raw(key, decimal(n, digits)); }
  // Left out where it is zero: not known.
  Object& known(std::string_view key, std::int64_t n, int digits = 0) {
    return n == 0 ? *this : number(key, n, digits);
  }
  std::string str() const { return "{" + text_ + "}"; }

 private:
  std::string text_;
};

class List {
 public:
  List& add(std::string_view value) {
    text_ += text_.empty() ? "" : separator_;
    text_ += value;
    return *this;
  }
  explicit List(std::string_view separator = ", ") : separator_(separator) {}
  std::string str() const { return "[" + text_ + "]"; }

 private:
  std::string text_, separator_;
};

template <class Texts>
std::string list_of(const Texts& texts) {
  List list;
  for (const auto& text : texts) list.add(quoted(text));
  return list.str();
}

}  // namespace yard::json
