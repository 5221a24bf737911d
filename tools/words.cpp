#include "tools/words.h"

#include <charconv>
#include <set>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "scheduler/base/input_error.h"

namespace {

using yard::nearest;
using yard::printable;

template <class Number>
CLI::Option* add_number(CLI::App& app, const std::string& name, Number& value, const std::string& meaning, Number least,
                        Number most, const std::string& accepted) {
  const auto take = [=, &value](const std::string& text) {
    Number number{};
    const char* const end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || at != end || !(number >= least && number <= most))
      throw yard::InputError("", 0, name, fmt::format("found '{}'", printable(text)), "accepted: " + accepted);
    value = number;
  };
  return app.add_option_function<std::string>(name, take, meaning)->default_str(fmt::format("{}", value));
}

std::vector<std::string> verbs_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(verb->get_name());
  return names;
}

std::vector<std::string> flags_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* flag : app.get_options())
    for (const std::string& name : flag->get_lnames()) names.push_back("--" + name);
  return names;
}

std::vector<const CLI::Option*> positionals_of(const CLI::App& app) {
  return app.get_options([](const CLI::Option* option) { return option->get_positional(); });
}

const CLI::App* verb_named(const CLI::App& app, const std::string& name) {
  const auto found = app.get_subcommands([&](const CLI::App* verb) { return verb->get_name() == name; });
  return found.empty() ? nullptr : found.front();
}

std::string name_of(const CLI::Option& option) { return option.get_name(false, false); }

std::string unknown(std::string_view kind, const std::string& word, const std::vector<std::string>& names) {
  const std::vector<std::string_view> views(names.begin(), names.end());
  return fmt::format("{}: unknown {}; nearest is '{}'; accepted: {}", printable(word), kind, nearest(word, views),
                     yard::listed(views));
}

std::string expected(const CLI::Option& option) {
  return fmt::format("{}: found nothing; accepted: {}", name_of(option), option.get_description());
}

// Goes through the words as the parser does, to the first that it could not take.
class Walk {
 public:
  explicit Walk(const CLI::App& app) : at_(&app), path_(app.get_name()) {}

  // Returns: what is wrong; empty where nothing is, and then the parser must say it.
  std::string over(const std::vector<std::string>& words) {
    for (std::size_t i = 0; i < words.size(); ++i) {
      std::string wrong;
      if (words[i].size() > 1 && words[i].front() == '-')
        wrong = flag(words, i);
      else
        wrong = word(words[i]);
      if (!wrong.empty()) return wrong;
    }
    if (const auto verbs = verbs_of(*at_); !verbs.empty())
      return fmt::format("found no verb; accepted: {}", fmt::join(verbs, ", "));
    if (const auto wanted = positionals_of(*at_); words_ < wanted.size()) return expected(*wanted[words_]);
    return "";
  }

  const std::string& path() const { return path_; }

 private:
  std::string flag(const std::vector<std::string>& words, std::size_t& i) {
    const std::size_t equals = words[i].find('=');
    const std::string name = words[i].substr(0, equals);
    const CLI::Option* const option = at_->get_option_no_throw(name);
    if (!option) return unknown("flag", name, flags_of(*at_));
    if (!seen_.insert(option).second) return fmt::format("{}: found twice; accepted: once", name);
    if (option->get_items_expected_max() == 0) return "";
    if (equals != std::string::npos) return equals + 1 == words[i].size() ? expected(*option) : "";
    if (++i == words.size()) return expected(*option);
    if (option->get_items_expected_max() > 1)  // a list: all words up to the next flag
      while (i + 1 < words.size() && !words[i + 1].starts_with('-')) ++i;
    return "";
  }

  std::string word(const std::string& word) {
    const auto verbs = verbs_of(*at_);
    if (!verbs.empty()) {
      const CLI::App* const verb = verb_named(*at_, word);
      if (!verb) return unknown("verb", word, verbs);
      at_ = verb;
      path_ += ' ' + word;
      return "";
    }
    if (words_++ < positionals_of(*at_).size()) return "";
    return fmt::format("'{}': found one word too many; accepted: flags only from there", printable(word));
  }

  const CLI::App* at_;
  std::string path_;
  std::set<const CLI::Option*> seen_;
  std::size_t words_ = 0;
};

}  // namespace

CLI::Option* add_whole(CLI::App& app, const std::string& name, std::uint64_t& value, const std::string& meaning,
                       std::uint64_t least, std::uint64_t most) {
  return add_number(app, name, value, meaning, least, most, fmt::format("a whole number from {} to {}", least, most))
      ->type_name("N");
}

CLI::Option* add_decimal(CLI::App& app, const std::string& name, double& value, const std::string& meaning,
                         double least, double most) {
  return add_number(app, name, value, meaning, least, most, fmt::format("a number from {:f} to {:.0f}", least, most))
      ->type_name("X");
}

std::string explained(const CLI::App& app, int argc, char** argv, const CLI::ParseError& error) {
  Walk walk(app);
  std::string wrong = walk.over({argv + 1, argv + argc});
  if (wrong.empty()) wrong = error.what();
  return fmt::format("{}; see `{} --help`", wrong, walk.path());
}
