#include "scheduler/trace/trace.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "scheduler/base/hash.h"
#include "scheduler/base/input_error.h"
#include "scheduler/trace/agentic.h"
#include "scheduler/trace/csv.h"
#include "scheduler/trace/generate.h"
#include "scheduler/trace/mooncake.h"
#include "scheduler/trace/options.h"
#include "scheduler/trace/servegen.h"
#include "scheduler/trace/trace_opener.h"

namespace yard {
namespace {

constexpr std::uint64_t kMillion = 1'000'000;

// Returns: the scale in millionths. llround, since x * 1e6 + 0.5 may be contracted to one rounding on some builds.
std::uint64_t millionths(double rate_scale) {
  if (!(rate_scale > 0) || rate_scale > 1e6 || std::llround(rate_scale * 1e6) == 0)
    throw InputError("", 0, "--rate-scale", fmt::format("found {}", rate_scale),
                     "accepted: a number from 0.000001 to 1000000");
  return static_cast<std::uint64_t>(std::llround(rate_scale * 1e6));
}

// Another reader's rows, the first few of them, closer together or farther apart.
class Scaled : public TraceReader {
 public:
  Scaled(std::unique_ptr<TraceReader> from, std::uint64_t limit, std::uint64_t scale)
      : from_(std::move(from)),
        limit_(limit),
        times_(kMillion / std::gcd(kMillion, scale)),
        by_(scale / std::gcd(kMillion, scale)) {}

  std::optional<TraceRow> next() override {
    if (limit_ > 0 && taken_ == limit_) return std::nullopt;
    auto row = from_->next();
    if (!row) return row;
    ++taken_;
    const Wide arrival = static_cast<Wide>(row->arrival.ns()) * times_ / by_;
    if (arrival > static_cast<Wide>(kLastArrival.ns()))
      throw InputError("", 0, "--rate-scale", fmt::format("row {} lies beyond 146 years", taken_),
                       "accepted: a larger scale or a limit");
    row->arrival = Time(static_cast<std::int64_t>(arrival));
    return row;
  }
  std::optional<std::uint64_t> rows() const override {
    const auto all = from_->rows();
    return all && limit_ > 0 ? std::min(*all, limit_) : all;
  }
  bool has_max_output() const override { return from_->has_max_output(); }
  bool has_answers() const override { return from_->has_answers(); }
  bool has_adapters() const override { return from_->has_adapters(); }
  bool has_prefix() const override { return from_->has_prefix(); }

 private:
  std::unique_ptr<TraceReader> from_;
  const std::uint64_t limit_;       // 0: none
  const std::uint64_t times_, by_;  // 1 / scale, in lowest terms
  std::uint64_t taken_ = 0;
};

struct Opened {
  std::unique_ptr<TraceReader> reader;
  bool limited;  // the reader itself gives no more rows than the limit
};

Opened open_generated(const std::string& name, Seed seed, std::uint64_t limit) {
  const std::string_view generator = generator_name(name);
  if (generator == "servegen") return {std::make_unique<ServeGenerator>(parse_servegen(name), seed, limit), true};
  if (generator == "agentic") {
    const AgenticSpec spec = parse_agentic(name);
    return {std::make_unique<AgenticReader>(LineReader(spec.path), spec.starts_ns, seed), false};
  }
  return {std::make_unique<Generator>(parse_generate(name), seed, limit), true};
}

Opened open_path(const std::string& name, Seed seed, std::uint64_t limit) {
  std::string file = name;
  if (std::error_code ignored; std::filesystem::is_directory(name, ignored)) {
    file = AgenticReader::file_in(name);
    if (file.empty() && is_servegen_folder(name))
      return {std::make_unique<ServeGenerator>(ServeGenSpec{.folder = name}, seed, limit), true};
    if (file.empty())
      throw InputError(name, 0, "", "is a directory",
                       "give a file, or a folder with chunk-N-trace.csv or requests_compact.csv.gz in it");
  }
  LineReader lines(file);
  const std::string_view first = lines.peek();
  if (MooncakeReader::is_one(first)) return {std::make_unique<MooncakeReader>(std::move(lines)), false};
  if (AgenticReader::is_one(first))
    return {std::make_unique<AgenticReader>(std::move(lines), AgenticSpec{}.starts_ns, seed), false};
  return {std::make_unique<CsvReader>(std::move(lines)), false};
}

}  // namespace

TraceOpener::TraceOpener(std::string name) : name_(std::move(name)) {
  if (!is_generated(name_) || generator_name(name_) != "overlay") return;
  overlay_ = parse_overlay(name_);
  rows_ = TraceRows::read(*open_trace(overlay_.path, Overlay::kInnerSeed, 0, 1), overlay_.path, overlay_.kept);
}

std::unique_ptr<TraceReader> TraceOpener::open(Seed seed, std::uint64_t limit, double rate_scale) const {
  const std::uint64_t scale = millionths(rate_scale);
  Opened opened = rows_                 ? Opened{std::make_unique<Overlay>(rows_, overlay_, seed, limit), true}
                  : is_generated(name_) ? open_generated(name_, seed, limit)
                                        : open_path(name_, seed, limit);
  if (scale == kMillion && (opened.limited || limit == 0)) return std::move(opened.reader);
  return std::make_unique<Scaled>(std::move(opened.reader), opened.limited ? 0 : limit, scale);
}

std::unique_ptr<TraceReader> open_trace(const std::string& name, Seed seed, std::uint64_t limit, double rate_scale) {
  return TraceOpener(name).open(seed, limit, rate_scale);
}

}  // namespace yard
