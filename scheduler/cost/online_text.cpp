// What was learnt, as text that gives back every bit.
#include <bit>
#include <charconv>
#include <istream>
#include <locale>
#include <sstream>

#include <fmt/format.h>

#include "scheduler/base/input_error.h"
#include "scheduler/cost/online.h"

namespace yard {
namespace {

constexpr std::string_view kHead = "switchyard-online-costs 2";

void put(std::string& out, double x) {
  fmt::format_to(std::back_inserter(out), " {:016x}", std::bit_cast<std::uint64_t>(x));
}
void put(std::string& out, std::uint64_t n) { fmt::format_to(std::back_inserter(out), " {}", n); }
void put(std::string& out, std::int64_t n) { fmt::format_to(std::back_inserter(out), " {}", n); }

// Finite, and within what the filter can reach.
bool get(std::istream& in, double& x, double least, double most) {
  std::string word;
  if (!(in >> word) || word.size() != 16) return false;
  std::uint64_t bits = 0;
  const auto [end, wrong] = std::from_chars(word.data(), word.data() + word.size(), bits, 16);
  if (wrong != std::errc{} || end != word.data() + word.size()) return false;
  x = std::bit_cast<double>(bits);
  return x >= least && x <= most;
}

}  // namespace

std::string text_of(const CostKey& key) {
  return fmt::format("{} {} {} {} {}", key.accelerator, key.engine, key.precision, key.model, key.parallelism);
}
std::istream& operator>>(std::istream& in, CostKey& key) {
  return in >> key.accelerator >> key.engine >> key.precision >> key.model >> key.parallelism;
}

void OnlineCosts::write_key(std::string& out, std::uint32_t k) const {
  const Key& key = keys_[k];
  out += text_of(names_[k]);
  for (const double x : key.scale) put(out, x);
  for (const double x : key.cov) put(out, x);
  for (const double x : key.prior) put(out, x);
  for (const double x : {key.noise, key.up, key.down, key.spread}) put(out, x);
  for (const std::uint32_t n : {key.since, key.calm}) put(out, std::uint64_t{n});
  const Count& count = key.count;
  for (const std::uint64_t n : {count.learnt, count.unusable, count.gated, count.drifts, count.restarts}) put(out, n);
  for (const std::uint64_t n : count.odd) put(out, n);
  for (const std::uint32_t n : key.published.scale) put(out, std::uint64_t{n});
  put(out, std::uint64_t{key.published.error_permille});
  for (const std::uint32_t n : key.published.spread.quantiles) put(out, std::uint64_t{n});
  put(out, std::uint64_t{key.published.spread.common});
  put(out, key.published_at.ns());
  put(out, std::uint64_t{key.was_published});
  std::ostringstream rest;
  rest.imbue(std::locale::classic());
  key.intervals.write(rest << ' ');
  key.parts.write(rest << ' ');
  out += rest.str() + "\n";
}

std::string OnlineCosts::save(std::span<const std::uint32_t> keys) const {
  std::string out = std::string(kHead) + "\n";
  for (const std::uint32_t k : keys) write_key(out, k);
  return out;
}

std::string OnlineCosts::save() const {
  std::string out = std::string(kHead) + "\n";
  for (std::uint32_t k = 0; k < size(); ++k) write_key(out, k);
  std::ostringstream beginners;
  beginners.imbue(std::locale::classic());
  beginners_.write(beginners << "beginners ");
  out += beginners.str() + "\n";
  // Of a device: which key ran on it last, and how far off.
  for (std::size_t s = 0; s < last_of_source_.size(); ++s)
    if (last_of_source_[s] > 0)
      fmt::format_to(std::back_inserter(out), "source {} {} {}\n", s, last_of_source_[s],
                     text_of(names_[key_of_source_[s]]));
  return out;
}

std::uint32_t OnlineCosts::restore(std::string_view text, const std::string& name) {
  int line = 0;
  const auto wrong = [&](std::string_view what, std::string_view accepted) {
    return InputError(name, line, "online costs", printable(what), std::string(accepted));
  };
  const auto find = [&](const CostKey& key) {
    std::uint32_t k = 0;
    while (k < size() && names_[k] != key) ++k;
    return k;
  };
  std::uint32_t taken = 0;
  for (std::size_t from = 0; from < text.size();) {
    const std::size_t end = std::min(text.find('\n', from), text.size());
    const std::string row(text.substr(from, end - from));
    from = end + 1, ++line;
    if (line == 1) {
      if (row != kHead) throw wrong(row, kHead);
      continue;
    }
    std::istringstream in(row);
    in.imbue(std::locale::classic());
    CostKey of;
    if (row.starts_with("source ")) {
      std::string word;
      std::uint64_t source = 0;
      Ratio last = 0;
      if (!(in >> word >> source >> last >> of) || last <= 0 || last > kMostRatio)
        throw wrong(row, "source NUMBER RATIO and a key");
      if (const std::uint32_t k = find(of); k < size() && source < last_of_source_.size())
        last_of_source_[source] = last, key_of_source_[source] = k;
      continue;
    }
    if (row.starts_with("beginners ")) {
      std::string word;
      if (!(in >> word) || !beginners_.read(in) || !(in >> std::ws).eof())
        throw wrong(row, "beginners and their scores");
      continue;
    }
    if (!(in >> of))
      throw wrong(row, "accelerator, engine, precision, model and parallelism, and what was learnt of them");
    const std::uint32_t k = find(of);
    if (k == size()) continue;
    Key key;
    key.prior_permille = keys_[k].prior_permille;
    bool good = true;
    for (double& x : key.scale) good = good && get(in, x, 0, 8);
    for (double& x : key.cov) good = good && get(in, x, -1e6, 1e6);
    for (double& x : key.prior) good = good && get(in, x, -1e6, 1e6);
    for (double* x : {&key.noise, &key.up, &key.down, &key.spread}) good = good && get(in, *x, -1, 1e6);
    for (std::size_t i = 0; i < kCostTerms; ++i) good = good && at(key.cov, i, i) >= 0;
    good = good && in >> key.since >> key.calm;
    Count& count = key.count;
    for (std::uint64_t* n : {&count.learnt, &count.unusable, &count.gated, &count.drifts, &count.restarts})
      good = good && in >> *n;
    for (std::uint64_t& n : count.odd) good = good && in >> n;
    for (std::uint32_t& n : key.published.scale) good = good && in >> n && n > 0 && n <= 8 * kCostAsSaid;
    std::int64_t at_ns = 0;
    good = good && in >> key.published.error_permille;
    for (std::uint32_t& n : key.published.spread.quantiles) good = good && in >> n;
    good = good && in >> key.published.spread.common && in_bounds(key.published.spread);
    good = good && in >> at_ns >> key.was_published;
    good = good && key.intervals.read(in) && key.parts.read(in);
    if (count.learnt > 0)
      for (std::size_t i = 0; i < kCostTerms; ++i) good = good && key.noise > 0 && at(key.prior, i, i) > 0;
    if (!good || !(in >> std::ws).eof()) throw wrong(row, "a line as save() writes it, whole");
    key.published.key = k, key.published_at = Time(at_ns);
    keys_[k] = key;
    ++taken;
  }
  if (line == 0) throw wrong("", kHead);
  any_heard_ = true;
  return taken;
}

}  // namespace yard
