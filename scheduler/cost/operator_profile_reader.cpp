// The published form of an operator profile: meta.yaml and three CSV files per tensor-parallel degree.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <span>

#include "scheduler/base/input_error.h"
#include "scheduler/cost/operator_profile.h"
#include "scheduler/yaml/field.h"
#include "scheduler/yaml/names.h"

namespace yard {
namespace {

using yaml::Field;

constexpr std::size_t kMostBytes = std::size_t{64} << 20;
constexpr std::int64_t kMostAt = (1 << 24) - 1;
constexpr double kMostMicroseconds = 1e6;  // of one operator: a second; times 1,000 layers still below 2^50 ps

// A CSV file of whole numbers and, last, a time; in front there may be a name.
class Table {
 public:
  struct Row {
    std::string_view name;
    std::array<std::int64_t, 4> at{};
    double microseconds = 0;
    int line = 0;
  };

  // `columns` of the heading, as they must stand there.
  Table(std::string path, std::string_view columns) : path_(std::move(path)), text_(read_file(path_, kMostBytes)) {
    const bool named = columns.starts_with("layer,");
    std::string_view rest = text_;
    int line = 0;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      std::string_view row = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (row.ends_with('\r')) row.remove_suffix(1);
      ++line;
      if (line == 1) {
        if (row != columns) refuse(line, "", row, fmt::format("the heading {}", columns));
        continue;
      }
      if (!row.empty())
        rows_.push_back(parse(row, named, static_cast<std::size_t>(std::ranges::count(columns, ',')), line));
    }
    if (rows_.empty()) refuse(line, "", "no row", "at least one row below the heading");
  }

  std::span<const Row> rows() const { return rows_; }
  [[noreturn]] void refuse(int line, std::string_view column, std::string_view found,
                           const std::string& accepted) const {
    throw InputError(path_, line, std::string(column), fmt::format("found '{}'", printable(found)),
                     "accepted: " + accepted);
  }

 private:
  template <class Number>
  Number number(std::string_view cell, int line, Number least, Number most) const {
    Number n{};
    const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), n);
    if (error != std::errc() || end != cell.data() + cell.size() || !(n >= least && n <= most))
      refuse(line, "", cell, fmt::format("a number from {} to {}", least, most));
    return n;
  }

  Row parse(std::string_view text, bool named, std::size_t commas, int line) const {
    std::array<std::string_view, 6> cells;
    std::size_t n = 0;
    for (std::string_view rest = text;;) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      if (n <= commas) cells[n] = rest.substr(0, comma);
      ++n;
      if (comma == rest.size()) break;
      rest.remove_prefix(comma + 1);
    }
    if (n != commas + 1) refuse(line, "", text, fmt::format("{} cells", commas + 1));
    Row row{.name = named ? cells[0] : std::string_view(), .line = line};
    for (std::size_t i = named ? 1 : 0; i < commas; ++i)
      row.at[i - (named ? 1 : 0)] = number<std::int64_t>(cells[i], line, 0, kMostAt);
    row.microseconds = number<double>(cells[commas], line, 0.0, kMostMicroseconds);
    return row;
  }

  std::string path_, text_;
  std::vector<Row> rows_;
};

Picoseconds picoseconds(double microseconds, std::int64_t times) {
  return Picoseconds(static_cast<std::int64_t>(std::llround(microseconds * 1e6)) * times);
}

// How often an operator runs in a step: so often in each layer and so often besides.
struct Operator {
  std::string_view name;
  std::int64_t a_layer, besides;
  bool required = true;
};

// The order of a decoder as LLMServingSim's profiler/models/{llama,qwen3}.yaml give it.
constexpr std::array<Operator, 10> kDense = {{{"embedding", 0, 1},
                                              {"layernorm", 2, 0},
                                              {"qkv_proj", 1, 0},
                                              {"qk_norm", 1, 0, false},
                                              {"rotary_emb", 1, 0},
                                              {"o_proj", 1, 0},
                                              {"gate_up_proj", 1, 0},
                                              {"act_fn", 1, 0},
                                              {"down_proj", 1, 0},
                                              {"final_layernorm", 0, 1}}};
constexpr std::array<Operator, 2> kPerSequence = {{{"lm_head", 0, 1}, {"sampler", 0, 1}}};

// The sum of what the operators cost, at every size that one of them was measured at.
Curve sum_of(const Table& table, std::string_view column, std::span<const Operator> known, std::int64_t layers) {
  std::map<std::string_view, std::map<std::int64_t, Picoseconds>> measured;
  for (const Table::Row& row : table.rows()) {
    const auto is = std::ranges::find(known, row.name, &Operator::name);
    if (is == known.end()) {
      std::vector<std::string_view> names;
      for (const Operator& op : known) names.push_back(op.name);
      table.refuse(row.line, "layer", row.name, "one of " + listed(names));
    }
    if (!measured[is->name]
             .emplace(row.at[0], picoseconds(row.microseconds, is->a_layer * layers + is->besides))
             .second)
      table.refuse(row.line, column, fmt::format("{} twice", row.at[0]), "each size once");
  }
  std::map<std::int64_t, Picoseconds> sum;
  std::vector<Curve> curves;
  for (const Operator& op : known) {
    const auto of = measured.find(op.name);
    if (of == measured.end()) {
      if (op.required) table.refuse(0, "layer", fmt::format("no row of {}", op.name), "one at least of each operator");
      continue;
    }
    std::vector<Curve::Point> points;
    for (const auto& [at, cost] : of->second) points.push_back({at, cost}), sum[at] = Picoseconds();
    curves.emplace_back(std::move(points));
  }
  std::vector<Curve::Point> points;
  for (auto& [at, cost] : sum) {
    for (const Curve& curve : curves) cost += curve.at(at);
    points.push_back({at, cost});
  }
  return Curve(std::move(points));
}

AttentionTable attention_of(const Table& table, std::int64_t layers) {
  std::vector<AttentionTable::Row> rows;
  std::map<std::array<std::int64_t, 4>, int> seen;
  for (const Table::Row& row : table.rows()) {
    if (!seen.emplace(row.at, row.line).second)
      table.refuse(row.line, "", "a place twice", fmt::format("it once; it stands in line {}", seen.at(row.at)));
    rows.push_back({row.at[0], row.at[1], row.at[2], row.at[3], picoseconds(row.microseconds, layers)});
  }
  return AttentionTable(std::move(rows));
}

yaml::Document meta_of(const std::string& folder) { return yaml::parse_file(folder + "/meta.yaml"); }

// The pooled figure of its skew sweep; none where it was not swept.
std::int64_t skew_of(const Field& meta, std::uint32_t tp) {
  const auto fit = meta.get("skew_fit");
  if (!fit || !fit->get("enabled") || !fit->need("enabled").flag()) return 0;
  const Field per_tp = fit->need("per_tp");
  return per_tp.need(fmt::format("{}", tp)).need("alpha_default").decimal(6, 0, 10'000'000);
}

}  // namespace

std::string model_of_profile(const std::string& folder) {
  const yaml::Document document = meta_of(folder);
  return Field(document).need("model").text();
}

OperatorProfile read_operator_profile(const std::string& folder, std::int64_t layers, std::uint32_t tp) {
  const yaml::Document document = meta_of(folder);
  const Field meta(document);
  if (tp != 1)
    throw InputError(folder, 0, "tp", fmt::format("found {}", tp),
                     "accepted: 1; a profile has no all-reduce between chips");
  const std::string files = fmt::format("{}/tp{}/", folder, tp);
  Curve by_tokens = sum_of(Table(files + "dense.csv", "layer,tokens,time_us"), "tokens", kDense, layers);
  Curve by_sequences =
      sum_of(Table(files + "per_sequence.csv", "layer,sequences,time_us"), "sequences", kPerSequence, layers);
  const Table attention(files + "attention.csv", "prefill_chunk,kv_prefill,n_decode,kv_decode,time_us");
  return OperatorProfile(std::move(by_tokens), std::move(by_sequences), attention_of(attention, layers),
                         skew_of(meta, tp));
}

}  // namespace yard
