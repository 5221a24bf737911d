#include "scheduler/yaml/document.h"

#include <exception>
#include <utility>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <sstream>

#include "scheduler/base/check.h"
#include "scheduler/base/input_error.h"
#include "scheduler/base/utf8.h"

namespace yard::yaml {
namespace {

void refuse_what_is_no_text(const std::string& file, std::string_view text) {
  if (text.size() > kMaxBytes)
    throw InputError(file, 0, "", fmt::format("is larger than {} bytes", kMaxBytes), "give a smaller file");
  int line = 1;
  std::size_t marks = 0;
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const std::size_t length = utf8_length(text.substr(i));
    if (length == 0) throw InputError(file, line, "", fmt::format("found byte 0x{:02x}", byte), "accepted: UTF-8 text");
    if ((byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t') || byte == 0x7f)
      throw InputError(file, line, "", fmt::format("found control byte 0x{:02x}", byte), "accepted: UTF-8 text");
    if (std::string_view("[]{},:&*!?%\"'").find(text[i]) != std::string_view::npos && ++marks > kMaxMarks)
      throw InputError(file, line, "", fmt::format("found more than {} brackets, commas, colons, quotes", kMaxMarks),
                       "give a smaller file");
    if (byte == '\n') ++line;
    i += length;
  }
}

// Takes yaml-cpp's events and grows the tree; throws out of the parser at the first thing it does not want.
class Builder final : public YAML::EventHandler {
 public:
  explicit Builder(Document& into) : into_(into) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { add(mark, Kind::nothing); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { refuse(mark, "found an alias (*)"); }
  void OnAnchor(const YAML::Mark& mark, const std::string&) override { refuse(mark, "found an anchor (&)"); }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t, const std::string& text) override {
    refuse_tag(mark, tag);
    if (wants_key()) return add_key(mark, text);
    Node& node = add(mark, Kind::scalar);
    node.quoted = tag == "!";
    node.text = text;
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, Kind::list);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t, YAML::EmitterStyle::value) override {
    open(mark, tag, Kind::map);
  }
  void OnSequenceEnd() override { open_.pop_back(); }
  void OnMapEnd() override { open_.pop_back(); }

 private:
  [[noreturn]] void refuse(const YAML::Mark& mark, std::string found, std::string key = "") {
    throw InputError(into_.file, mark.line + 1, std::move(key), std::move(found),
                     "accepted: plain YAML, without anchors, aliases and tags, each key once");
  }

  void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    if (!tag.empty() && tag != "?" && tag != "!") refuse(mark, fmt::format("found tag '{}'", printable(tag)));
  }

  bool wants_key() const {
    return !open_.empty() && open_.back()->kind == Kind::map && open_.back()->keys.size() == open_.back()->items.size();
  }

  void add_key(const YAML::Mark& mark, const std::string& name) {
    Node& map = *open_.back();
    for (const auto& key : map.keys)
      if (key.name == name)
        refuse(mark, fmt::format("found twice, first in line {}", key.line), fmt::format("'{}'", printable(name)));
    if (map.keys.size() == kMaxKeys) refuse(mark, fmt::format("found more than {} keys in one map", kMaxKeys));
    map.keys.push_back({name, mark.line + 1});
  }

  Node& add(const YAML::Mark& mark, Kind kind) {
    // An open bracket that is never closed looks so too: yaml-cpp takes all of it for a key.
    if (wants_key()) refuse(mark, "found a key that is no plain word, or an open bracket");
    if (++nodes_ > kMaxNodes) refuse(mark, fmt::format("found more than {} values", kMaxNodes));
    Node* node = &into_.root;
    if (!open_.empty()) node = &open_.back()->items.emplace_back();
    node->kind = kind;
    node->line = mark.line + 1;
    return *node;
  }

  // Refuses before yaml-cpp descends: its recursion is never deeper than ours.
  void open(const YAML::Mark& mark, const std::string& tag, Kind kind) {
    refuse_tag(mark, tag);
    if (open_.size() == kMaxDepth) refuse(mark, fmt::format("found more than {} levels", kMaxDepth));
    open_.push_back(&add(mark, kind));
  }

  Document& into_;
  // From the root to the innermost open node. Only the innermost one's items grow, so none of these moves.
  std::vector<Node*> open_;
  std::size_t nodes_ = 0;
};

}  // namespace

Document parse(std::string file, std::string_view text) {
  refuse_what_is_no_text(file, text);
  Document document{std::move(file), {}};
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    Builder builder(document);
    if (!parser.HandleNextDocument(builder)) return document;
    Document rest{document.file, {}};
    Builder second(rest);
    if (parser.HandleNextDocument(second))
      throw InputError(document.file, rest.root.line, "", "found a second document", "accepted: one document");
  } catch (const InputError&) {
    throw;
  } catch (const YAML::Exception& e) {
    throw InputError(document.file, e.mark.is_null() ? 0 : e.mark.line + 1, "",
                     fmt::format("is not YAML: {}", printable(e.msg)), "correct the line or the one before it");
  } catch (const std::exception& e) {  // a library's own trouble with hostile text must not end a program of ours
    throw InputError(document.file, 0, "", fmt::format("cannot be parsed: {}", printable(e.what())),
                     "accepted: plain YAML");
  }
  return document;
}

Document parse_file(const std::string& path) { return parse(path, read_file(path, kMaxBytes)); }

}  // namespace yard::yaml
