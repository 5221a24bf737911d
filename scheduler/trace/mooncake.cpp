#include "scheduler/trace/mooncake.h"

#include <algorithm>
#include <array>
#include <iterator>

#include <fmt/format.h>
#include <simdjson.h>

#include "scheduler/base/input_error.h"
#include "scheduler/trace/chain.h"

namespace yard {
namespace {

constexpr std::int64_t kMillisecond = 1'000'000;
constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();

enum Key : std::size_t {
  timestamp,
  arrival_ns,
  input_length,
  output_length,
  hash_ids,
  prefix,
  block_tokens,
  max_tokens,
  session,
  wanted,
  adapter
};
constexpr std::string_view kKeys[] = {"timestamp", "arrival_ns", "input_length", "output_length",
                                      "hash_ids",  "prefix",     "block_tokens", "max_tokens",
                                      "session",   "n",          "adapter"};

}  // namespace

struct MooncakeReader::Json {
  simdjson::dom::parser parser;
  simdjson::dom::element value;
};

struct MooncakeReader::Row {
  std::array<bool, std::size(kKeys)> has{};
  std::int64_t ns = 0;
  std::uint64_t prompt = 0, output = 0, max = 0, block = 0, session = 0, answers = 1, adapter = 0;
};

MooncakeReader::MooncakeReader(LineReader lines) : lines_(std::move(lines)), json_(std::make_unique<Json>()) {
  lines_.allow_lines_of(kMaxLine);
}
MooncakeReader::~MooncakeReader() = default;

bool MooncakeReader::is_one(std::string_view first_line) {
  const std::size_t at = first_line.find_first_not_of(" \t\r");
  return at != std::string_view::npos && first_line[at] == '{';
}

std::optional<TraceRow> MooncakeReader::next() {
  std::string_view line;
  do {
    if (!lines_.next(line)) return std::nullopt;
  } while (line.empty());
  Row row;
  parse(line, row);
  return row_of(row);
}

void MooncakeReader::parse(std::string_view line, Row& row) {
  simdjson::dom::element whole;
  if (json_->parser.parse(line.data(), line.size()).get(whole))
    fail("", fmt::format("found '{}', which is no valid JSON", printable(line)),
         "accepted: one JSON object a line (is the file cut?)");
  simdjson::dom::object object;
  if (whole.get(object)) fail("", fmt::format("found '{}'", printable(line)), "accepted: one JSON object a line");
  for (const auto [key, value] : object) {
    json_->value = value;
    take_field(key, *json_, row);
  }
  constexpr std::pair<Key, Key> kNeeded[] = {
      {timestamp, arrival_ns}, {input_length, input_length}, {output_length, output_length}, {hash_ids, prefix}};
  for (const auto& [key, other] : kNeeded) {
    if (!row.has[key] && !row.has[other])
      fail(kKeys[key], "found no such key",
           key == other ? "accepted: a key of each row" : fmt::format("accepted: that, or {}", kKeys[other]));
    if (key != other && row.has[key] && row.has[other])
      fail(kKeys[key], fmt::format("found beside {}", kKeys[other]), "accepted: either");
  }
}

void MooncakeReader::take_field(std::string_view name, const Json& json, Row& row) {
  const auto key = static_cast<std::size_t>(std::find(std::begin(kKeys), std::end(kKeys), name) - std::begin(kKeys));
  if (key == std::size(kKeys)) return;
  if (std::exchange(row.has[key], true)) fail(name, "found twice", "accepted: once");
  constexpr auto kTokens = static_cast<std::uint64_t>(kMostTokens.count());
  constexpr auto kLast = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  switch (key) {
    case timestamp:
      row.ns = static_cast<std::int64_t>(number(name, json, 0, kLast / kMillisecond)) * kMillisecond;
      break;
    case arrival_ns: row.ns = static_cast<std::int64_t>(number(name, json, 0, kLast)); break;
    case input_length: row.prompt = number(name, json, 1, kTokens); break;
    case output_length: row.output = number(name, json, 0, kTokens); break;
    case hash_ids:
    case prefix: take_blocks(name, json, row); break;
    case block_tokens: row.block = number(name, json, 1, 1 << 20); break;
    case max_tokens: row.max = number(name, json, 0, kTokens); break;
    case wanted: row.answers = number(name, json, 1, kMostAnswers); break;
    case adapter: row.adapter = number(name, json, 1, kMostAdapter); break;
    case session: row.session = number(name, json, 1, kMost); break;
    default: break;
  }
}

void MooncakeReader::take_blocks(std::string_view key, const Json& json, Row&) {
  blocks_.clear();
  simdjson::dom::array array;
  if (json.value.get(array))
    fail(key, fmt::format("found '{}'", printable(simdjson::minify(json.value))), "accepted: a list of whole numbers");
  for (const auto item : array) {
    std::uint64_t id = 0;
    if (item.get(id))
      fail(key, fmt::format("found '{}' as item {}", printable(simdjson::minify(item)), blocks_.size() + 1),
           "accepted: whole numbers below 2^64");
    if (blocks_.size() == kMostBlocks)
      fail(key, fmt::format("found more than {} blocks", kMostBlocks), "accepted: fewer, larger blocks");
    blocks_.push_back(id);
  }
}

TraceRow MooncakeReader::row_of(const Row& row) {
  const Tokens block = row.has[block_tokens] ? Tokens(row.block) : kBlock;
  if (!started_) {
    started_ = true;
    first_ns_ = last_ns_ = row.ns;
    block_ = block;
  }
  const std::string_view clock = kKeys[row.has[timestamp] ? timestamp : arrival_ns];
  if (row.ns < last_ns_)
    fail(clock, fmt::format("found a time {} ns before that of line {}", last_ns_ - row.ns, last_line_),
         "accepted: rows in order of time (sort the file)");
  if (row.ns - first_ns_ > kLastArrival.ns())
    fail(clock, fmt::format("found a row {} ns after the first", row.ns - first_ns_),
         fmt::format("accepted: at most {} ns (146 years)", kLastArrival.ns()));
  if (block != block_)
    fail(kKeys[block_tokens], fmt::format("found {} where rows before have {}", block.count(), block_.count()),
         "accepted: one size of block in a file");
  const std::string_view list = kKeys[row.has[hash_ids] ? hash_ids : prefix];
  const Tokens prompt(row.prompt);
  if (const auto most = static_cast<std::size_t>(blocks_for(prompt, block).count()); blocks_.size() > most)
    fail(list, fmt::format("found {} blocks of {} tokens in a prompt of {}", blocks_.size(), block.count(), row.prompt),
         fmt::format("accepted: at most {}", most));
  last_ns_ = row.ns;
  last_line_ = lines_.number();

  if (row.has[hash_ids]) {
    std::uint64_t name = chain_start(block);
    for (std::uint64_t& each : blocks_) each = name = chained(name, each);
  }
  TraceRow out{.arrival = Time(row.ns - first_ns_), .prompt = prompt, .output = Tokens(row.output)};
  out.answers = static_cast<std::uint32_t>(row.answers);
  out.adapter = static_cast<std::uint32_t>(row.adapter);
  if (row.has[max_tokens]) out.max_output = Tokens(row.max);
  out.prefix = blocks_;
  out.prefix_block = block;
  out.session = row.session;
  return out;
}

std::uint64_t MooncakeReader::number(std::string_view key, const Json& json, std::uint64_t least,
                                     std::uint64_t most) const {
  std::uint64_t n = 0;
  if (json.value.get(n) || n < least || n > most)
    fail(key, fmt::format("found '{}'", printable(simdjson::minify(json.value))),
         fmt::format("accepted: a whole number from {} to {}", least, most));
  return n;
}

void MooncakeReader::fail(std::string_view key, std::string found, std::string accepted) const {
  throw InputError(lines_.path(), lines_.shown_number(), std::string(key), std::move(found), std::move(accepted));
}

}  // namespace yard
