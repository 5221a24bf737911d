// Writes JSON (RFC 8259) in the order it is told, two spaces a level; valid UTF-8 whatever the strings hold.
#pragma once
#include <string>
#include <string_view>

namespace yard {

class JsonWriter {
 public:
  // Inside an object a key is given; for an array's items and for the outermost value it is empty and not written.
  void begin_object(std::string_view key = {}) { begin(key, '{', '}'); }
  void begin_array(std::string_view key = {}) { begin(key, '[', ']'); }
  void end();                                                 // of the innermost object or array
  void string(std::string_view key, std::string_view text);   // escaped here
  void literal(std::string_view key, std::string_view json);  // a number, null, true or false, as it stands

  // Requires: everything that was begun is ended.
  std::string finish() &&;

 private:
  void begin(std::string_view key, char open, char close);
  void next(std::string_view key);

  std::string text_, closers_;
  bool first_ = true;  // in the innermost object or array
};

// Returns: `text` between quotes; control bytes, quote and backslash escaped; bytes that are no UTF-8 as U+FFFD.
std::string json_quoted(std::string_view text);

}  // namespace yard
