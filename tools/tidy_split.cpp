// Tells code from comments and literals, well enough for the rules: no trigraphs, no line continued inside a comment.
#include <algorithm>
#include <cctype>

#include "tools/tidy_rules.h"

namespace yard::tidy {
namespace {

class Splitter {
 public:
  explicit Splitter(std::string_view text) : text_(text), split_{blanked(text), blanked(text)} {}

  Split run() {
    while (at_ < text_.size()) {
      if (starts("//")) {
        take(split_.comments, std::min(text_.find('\n', at_), text_.size()));
      } else if (starts("/*")) {
        take(split_.comments, after("*/", at_ + 2));
      } else if (on_include_line()) {
        take(split_.code, std::min({text_.find('\n', at_), text_.find("//", at_), text_.size()}));
      } else if (text_[at_] == '"') {
        literal();
      } else if (text_[at_] == '\'' && !inside_number()) {
        skip_quoted('\'');
      } else {
        take(split_.code, at_ + 1);
      }
    }
    return std::move(split_);
  }

 private:
  static std::string blanked(std::string_view text) {
    std::string blank(text.size(), ' ');
    for (std::size_t i = 0; i < text.size(); ++i)
      if (text[i] == '\n') blank[i] = '\n';
    return blank;
  }
  bool starts(std::string_view mark) const { return text_.substr(at_).starts_with(mark); }
  std::size_t after(std::string_view mark, std::size_t from) const {
    const std::size_t found = text_.find(mark, from);
    return found == std::string_view::npos ? text_.size() : found + mark.size();
  }
  void take(std::string& into, std::size_t end) {
    for (; at_ < end; ++at_) into[at_] = text_[at_];
  }

  // At the '#' of an #include, whose file name is no string.
  bool on_include_line() const {
    if (text_[at_] != '#') return false;
    std::size_t word = at_ + 1;
    while (word < text_.size() && text_[word] == ' ') ++word;
    return text_.substr(word).starts_with("include");
  }

  // Whether the ' at at_ separates digits, as in 1'000 and 0xff'ff.
  bool inside_number() const {
    std::size_t begin = at_;
    while (begin > 0 && (std::isalnum(static_cast<unsigned char>(text_[begin - 1])) || text_[begin - 1] == '\''))
      --begin;
    return begin < at_ && std::isdigit(static_cast<unsigned char>(text_[begin]));
  }

  void literal() {
    std::size_t word = at_;
    while (word > 0 && std::isalnum(static_cast<unsigned char>(text_[word - 1]))) --word;
    const std::string_view prefix = text_.substr(word, at_ - word);
    if (prefix == "R" || prefix == "u8R" || prefix == "uR" || prefix == "UR" || prefix == "LR") {
      const std::size_t open = std::min(text_.find('(', at_), text_.size());
      const std::string close = ")" + std::string(text_.substr(at_ + 1, open - std::min(open, at_ + 1))) + "\"";
      at_ = after(close, open);
    } else {
      skip_quoted('"');
    }
  }

  // A literal that is not closed ends with its line.
  void skip_quoted(char quote) {
    for (++at_; at_ < text_.size() && text_[at_] != quote && text_[at_] != '\n'; ++at_)
      if (text_[at_] == '\\' && at_ + 1 < text_.size() && text_[at_ + 1] != '\n') ++at_;
    at_ = std::min(at_ + (at_ < text_.size() && text_[at_] == quote ? 1 : 0), text_.size());
  }

  std::string_view text_;
  std::size_t at_ = 0;
  Split split_;
};

}  // namespace

Split split_code(std::string_view text) { return Splitter(text).run(); }

}  // namespace yard::tidy
