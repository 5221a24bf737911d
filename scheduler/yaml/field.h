// A value of a document and the path to it: asks for what it should be, and says in one line when it is not.
//
//   const Field pool = Field(document).need("pools").items(1000)[2];
//   pool.only({"name", "replicas"});
//   pool.need("replicas").integer(1, 1'000'000);   // fleet.yaml:14: pools[2].replicas: found '-1'; accepted: ...
//
// Numbers are read exactly, as scaled integers; no floating point. A Field points into its Document.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/yaml/document.h"

namespace yard::yaml {

class Field {
 public:
  explicit Field(const Document& document) : file_(&document.file), node_(&document.root), line_(document.root.line) {}

  int line() const { return line_; }
  const std::string& path() const { return path_; }
  bool is_list() const { return node_->kind == Kind::list; }
  bool is_map() const { return node_->kind == Kind::map; }
  bool is_text() const { return node_->kind == Kind::scalar; }

  // Errors, of all below: InputError naming file, line, path, what was found and what is accepted.

  // Refuses everything but a map whose keys are among these; names the nearest.
  void only(std::initializer_list<std::string_view> keys) const;

  std::optional<Field> get(std::string_view key) const;  // nothing where absent or null
  Field need(std::string_view key) const;
  std::vector<Field> items(std::size_t at_most) const;  // of a list, which may be empty

  std::string text() const;  // 1 to 400 bytes
  std::string name()
      const;  // 1 to 64 bytes, none of them a blank, comma, quote or colon: it appears in CSV and in flags
  std::int64_t integer(std::int64_t least, std::int64_t most) const;
  // A plain decimal as an integer of 10^-digits: decimal(9, ...) of "2.95" is 2'950'000'000. Bounds are in that unit
  // too. Refuses exponents, NaN, and more digits after the point than `digits`.
  std::int64_t decimal(int digits, std::int64_t least, std::int64_t most) const;
  bool flag() const;                                           // true or false
  std::string text_or_empty(std::string_view key) const;       // of a map; empty where absent
  std::vector<std::string> texts(std::string_view key) const;  // a list of at most 64; none where absent
  // Returns: the position of the text among `names`.
  std::size_t one_of(std::span<const std::string_view> names) const;

  [[noreturn]] void refuse(std::string found, std::string accepted) const;
  [[noreturn]] void refuse_value(std::string accepted) const;  // found: the value as written
  // "found 'x'; accepted: <what>, nearest is 'y'"
  [[noreturn]] void refuse_name(std::string_view what, std::span<const std::string_view> names) const;

 private:
  Field(const Field& parent, const Node& node, int line, std::string path)
      : file_(parent.file_), node_(&node), line_(line), path_(std::move(path)) {}
  const std::string& scalar(std::string_view accepted) const;

  const std::string* file_;
  const Node* node_;
  int line_;
  std::string path_;
};

}  // namespace yard::yaml
