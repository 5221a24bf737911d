#include "scheduler/yaml/field.h"

#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "scheduler/base/check.h"
#include "scheduler/base/hash.h"
#include "scheduler/base/input_error.h"

namespace yard::yaml {
namespace {

std::string found_in(const Node& node) {
  switch (node.kind) {
    case Kind::nothing: return "found nothing";
    case Kind::list: return "found a list";
    case Kind::map: return "found a map";
    case Kind::scalar: break;
  }
  return node.quoted ? fmt::format("found the text \"{}\"", printable(node.text))
                     : fmt::format("found '{}'", printable(node.text));
}

// 2'950'000'000 with 9 digits -> "2.95"
std::string written(std::int64_t n, int digits) {
  std::int64_t one = 1;
  for (int i = 0; i < digits; ++i) one *= 10;
  std::string text = fmt::format("{}", n / one);
  if (n % one == 0) return text;
  text += fmt::format(".{:0{}}", n % one, digits);
  while (text.back() == '0') text.pop_back();
  return text;
}

bool all_digits(std::string_view text) {
  for (const char c : text)
    if (c < '0' || c > '9') return false;
  return !text.empty();
}

// Returns: the scaled number, or nothing where `text` is no plain decimal that fits.
std::optional<std::int64_t> scaled(std::string_view text, int digits) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const std::size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  const std::string_view rest = point == text.npos ? std::string_view{} : text.substr(point + 1);
  if (!all_digits(whole) || (point != text.npos && !all_digits(rest))) return std::nullopt;
  if (rest.size() > static_cast<std::size_t>(digits) || whole.size() > 18) return std::nullopt;
  Wide n = 0;
  for (const char c : whole) n = n * 10 + static_cast<unsigned>(c - '0');
  for (int i = 0; i < digits; ++i)
    n = n * 10 + (static_cast<std::size_t>(i) < rest.size() ? static_cast<unsigned>(rest[i] - '0') : 0u);
  if (n > static_cast<Wide>(INT64_MAX)) return std::nullopt;
  return negative ? -static_cast<std::int64_t>(n) : static_cast<std::int64_t>(n);
}

}  // namespace

void Field::only(std::initializer_list<std::string_view> keys) const {
  if (node_->kind != Kind::map) refuse(found_in(*node_), fmt::format("accepted: a map of {}", listed(keys)));
  for (const auto& key : node_->keys) {
    bool known = false;
    for (const auto name : keys) known = known || name == key.name;
    if (known) continue;
    const std::string path = path_.empty() ? printable(key.name) : path_ + "." + printable(key.name);
    throw InputError(*file_, key.line, path, "unknown key",
                     fmt::format("nearest is '{}'; accepted: {}", nearest(key.name, keys), listed(keys)));
  }
}

std::optional<Field> Field::get(std::string_view key) const {
  if (node_->kind != Kind::map) refuse(found_in(*node_), fmt::format("accepted: a map with the key {}", key));
  for (std::size_t i = 0; i < node_->keys.size(); ++i) {
    if (node_->keys[i].name != key || node_->items[i].kind == Kind::nothing) continue;
    const std::string path = path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
    return Field(*this, node_->items[i], node_->keys[i].line, path);
  }
  return std::nullopt;
}

Field Field::need(std::string_view key) const {
  if (auto field = get(key)) return *std::move(field);
  throw InputError(*file_, line_, path_, "lacks a key", fmt::format("add {}", key));
}

std::vector<Field> Field::items(std::size_t at_most) const {
  if (node_->kind != Kind::list) refuse(found_in(*node_), "accepted: a list");
  if (node_->items.size() > at_most)
    refuse(fmt::format("found a list of {}", node_->items.size()), fmt::format("accepted: at most {}", at_most));
  std::vector<Field> fields;
  fields.reserve(node_->items.size());
  for (std::size_t i = 0; i < node_->items.size(); ++i)
    fields.push_back(Field(*this, node_->items[i], node_->items[i].line, fmt::format("{}[{}]", path_, i)));
  return fields;
}

const std::string& Field::scalar(std::string_view accepted) const {
  if (node_->kind != Kind::scalar) refuse(found_in(*node_), fmt::format("accepted: {}", accepted));
  return node_->text;
}

std::string Field::text() const {
  const std::string& text = scalar("text");
  if (text.empty() || text.size() > 400) refuse_value("text of 1 to 400 bytes");
  return text;
}

std::string Field::name() const {
  constexpr std::string_view kAccepted = "a name of 1 to 64 bytes without blanks, commas, quotes and colons";
  const std::string& text = scalar(kAccepted);
  bool good = !text.empty() && text.size() <= 64;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    good = good && byte > 0x20 && c != ',' && c != '"' && c != '\'' && c != ':' && c != '`';
  }
  if (!good) refuse_value(std::string(kAccepted));
  return text;
}

std::int64_t Field::integer(std::int64_t least, std::int64_t most) const { return decimal(0, least, most); }

std::int64_t Field::decimal(int digits, std::int64_t least, std::int64_t most) const {
  std::string accepted = digits == 0 ? "a whole number" : "a plain decimal number";
  accepted += fmt::format(" from {} to {}", written(least, digits), written(most, digits));
  if (digits > 0) accepted += fmt::format(", at most {} digits after the point", digits);
  const std::string& text = scalar(accepted);
  const auto number = node_->quoted ? std::nullopt : scaled(text, digits);
  if (!number || *number < least || *number > most) refuse_value(std::move(accepted));
  return *number;
}

bool Field::flag() const {
  const std::string& text = scalar("true or false");
  if (node_->quoted || (text != "true" && text != "false")) refuse_value("true or false");
  return text == "true";
}

std::size_t Field::one_of(std::span<const std::string_view> names) const {
  const std::string& text = scalar(listed(names));
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i] == text) return i;
  refuse_value(listed(names));
}

std::string Field::text_or_empty(std::string_view key) const {
  const auto field = get(key);
  return field ? field->text() : std::string();
}

std::vector<std::string> Field::texts(std::string_view key) const {
  std::vector<std::string> all;
  if (const auto list = get(key))
    for (const Field& item : list->items(64)) all.push_back(item.text());
  return all;
}

void Field::refuse(std::string found, std::string accepted) const {
  throw InputError(*file_, line_, path_, std::move(found), std::move(accepted));
}

void Field::refuse_value(std::string accepted) const { refuse(found_in(*node_), "accepted: " + std::move(accepted)); }

void Field::refuse_name(std::string_view what, std::span<const std::string_view> names) const {
  if (names.empty()) refuse_value(fmt::format("{}, and there is none", what));
  refuse_value(fmt::format("{}, nearest is '{}'", what, nearest(node_->text, names)));
}

}  // namespace yard::yaml
