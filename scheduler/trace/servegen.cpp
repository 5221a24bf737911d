#include "scheduler/trace/servegen.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "scheduler/base/input_error.h"
#include "scheduler/trace/options.h"
#include "scheduler/trace/sample.h"

namespace yard {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;    // ns
constexpr std::uint64_t kRequest = 1'000'000'000;  // shares of a request that is due
constexpr Q32 kLongestGap = Q32{1} << 62;
constexpr std::string_view kKeys[] = {"dir", "rate", "hours", "from"};

std::uint64_t square_root(std::uint64_t x) {  // rounded down
  std::uint64_t root = 0;
  for (std::uint64_t bit = std::uint64_t{1} << 31; bit != 0; bit >>= 1)
    if ((root | bit) * (root | bit) <= x) root |= bit;
  return root;
}

// Gaps of one window, on a scale of their own: they are stretched to the window afterwards.
class GapSampler {
 public:
  explicit GapSampler(const ServeGenClient::Window& window)
      : weibull_(window.weibull),
        inverse_shape_q20_((std::uint64_t{1'000'000} << 20) / window.shape_micro),
        whole_(window.weibull ? 0 : window.shape_micro / 1'000'000),
        rest_micro_(window.weibull ? 0 : window.shape_micro % 1'000'000),
        rest_(rest_micro_ < kLeastShape ? 1000 : cv_milli(rest_micro_)) {}

  // Returns: Q32, at most kLongestGap.
  Q32 next(Rng& rng) const { return weibull_ ? weibull(exponential(rng.next())) : gamma(rng); }

 private:
  static constexpr std::uint64_t kLeastShape = 100;  // millionths: GammaSampler goes up to a deviation of 100

  static std::uint32_t cv_milli(std::uint64_t shape_micro) {
    return static_cast<std::uint32_t>(
        std::clamp<std::uint64_t>(square_root(1'000'000'000'000 / shape_micro), 1000, 100'000));
  }

  // x^(1 / shape), by logarithms to the base of two.
  Q32 weibull(Q32 x) const {
    const std::uint64_t log = log2_q32(x | 1);  // of x * 2^32
    constexpr std::uint64_t kZero = Q32{32} << 32;
    const bool above = log >= kZero;
    const Wide power = static_cast<Wide>(above ? log - kZero : kZero - log) * inverse_shape_q20_ >> 20;
    if (!above) return power >= Q32{33} << 32 ? 0 : power2_q32(static_cast<Q32>(power));
    if (power >= Q32{30} << 32) return kLongestGap;
    const auto p = static_cast<Q32>(power);
    const std::uint64_t up = (p >> 32) + 1;  // 2^p = 2^up * 2^(p - up)
    return power2_q32((up << 32) - p) << up;
  }

  // A whole shape is a sum of exponentials; the rest of it, below 1, is GammaSampler's.
  Q32 gamma(Rng& rng) const {
    Q32 sum = 0;
    for (std::uint64_t i = 0; i < whole_; ++i) sum += exponential(rng.next());
    if (rest_micro_ >= kLeastShape)
      sum += static_cast<Q32>(static_cast<Wide>(rest_.next(rng)) * rest_micro_ / 1'000'000);
    return std::min(sum, kLongestGap);
  }

  bool weibull_;
  std::uint64_t inverse_shape_q20_;
  std::uint64_t whole_, rest_micro_;
  GammaSampler rest_;
};

}  // namespace

ServeGenSpec parse_servegen(std::string_view name) {
  ServeGenSpec spec;
  constexpr std::uint64_t kMicro = 1'000'000;
  each_option(name, kKeys, [&](const OptionPlace& place, std::string_view value) {
    if (place.key == "dir")
      spec.folder = value;
    else if (place.key == "rate")
      spec.rate_micro = place.millionths(value, 1000, 100'000 * kMicro, "requests a second, 0.001 to 100000");
    else if (place.key == "hours")
      spec.hours_micro = place.millionths(value, 1000, 100'000 * kMicro, "0.001 to 100000");
    else
      spec.from_micro = place.millionths(value, 0, 100'000 * kMicro, "0 to 100000");
  });
  if (spec.folder.empty())
    OptionPlace{"gen:servegen", "dir"}.fail("", "a folder of chunk-N-trace.csv and chunk-N-dataset.json");
  return spec;
}

// ---- a client

class ServeGenerator::Client {
 public:
  struct Scale {  // how many requests are due in a window, beside its rate
    std::uint64_t times, by;
  };

  Client(const ServeGenData& data, const ServeGenClient& of, Seed seed, Scale scale, std::uint64_t first_window)
      : data_(&data),
        of_(&of),
        scale_(scale),
        gaps_(Rng::stream(seed, of.number * 3)),
        prompts_(Rng::stream(seed, of.number * 3 + 1)),
        outputs_(Rng::stream(seed, of.number * 3 + 2)),
        window_(first_window),
        first_window_(first_window) {}

  // Goes to the next request. Returns: when, from the first window's begin, or Time::never() beyond 146 years.
  Time advance() {
    while (left_ == 0) {
      if (begin_ns() > kLastArrival.ns()) return Time::never();
      enter();
    }
    --left_;
    along_ += sampler_->next(pass_);
    const auto length = static_cast<std::uint64_t>(data_->window_s * kSecond);
    const Wide within = sum_ == 0 ? static_cast<Wide>(length) * (count_ - left_) / (count_ + 1)
                                  : static_cast<Wide>(length) * static_cast<Wide>(along_) / sum_;
    return Time(entered_ns_ + static_cast<std::int64_t>(within));
  }

  void lengths(TraceRow& row) {
    row.prompt = period_->prompt.sample(prompts_.next());
    row.output = period_->output.sample(outputs_.next());
  }

  // How many requests the next `windows` windows have, none having been entered.
  std::uint64_t count(std::uint64_t windows) const {
    std::uint64_t sum = 0, due = due_;
    for (std::uint64_t w = window_; w < window_ + windows; ++w) sum += take_due(w, due);
    return sum;
  }

 private:
  std::int64_t begin_ns() const {
    return static_cast<std::int64_t>(window_ - first_window_) * data_->window_s * kSecond;
  }

  std::uint64_t take_due(std::uint64_t window, std::uint64_t& due) const {
    const std::size_t at = window % data_->windows;
    if (at >= of_->windows.size()) return 0;
    const Wide more = static_cast<Wide>(of_->windows[at].rate_nano) * static_cast<std::uint64_t>(data_->window_s) *
                      scale_.times / scale_.by;
    const Wide all = more + due;
    due = static_cast<std::uint64_t>(all % kRequest);
    return static_cast<std::uint64_t>(all / kRequest);
  }

  // The gaps are drawn twice, by copies of one generator: for their sum, and one by one as rows are asked for.
  void enter() {
    entered_ns_ = begin_ns();
    const std::size_t at = window_ % data_->windows;
    left_ = count_ = take_due(window_, due_);
    ++window_;
    if (count_ == 0) return;
    sampler_.emplace(of_->windows[at]);
    period_ = &of_->period_at(static_cast<std::int64_t>(at) * data_->window_s);
    pass_ = gaps_;
    sum_ = along_ = 0;
    for (std::uint64_t i = 0; i <= count_; ++i) sum_ += sampler_->next(gaps_);
  }

  const ServeGenData* data_;
  const ServeGenClient* of_;
  Scale scale_;
  Rng gaps_, prompts_, outputs_, pass_{0};
  std::uint64_t window_, first_window_;
  std::uint64_t due_ = kRequest / 2;  // so that counts are rounded, not cut

  // The present window's.
  std::uint64_t count_ = 0, left_ = 0;
  std::int64_t entered_ns_ = 0;
  std::optional<GapSampler> sampler_;
  const ServeGenClient::Period* period_ = nullptr;
  Wide sum_ = 0, along_ = 0;
};

// ---- all of them

ServeGenerator::ServeGenerator(const ServeGenSpec& spec, Seed seed, std::uint64_t limit)
    : data_(read_servegen(spec.folder)) {
  constexpr Wide kHourMicro = 1'000'000;
  const Wide window = static_cast<Wide>(static_cast<std::uint64_t>(data_.window_s)) * kHourMicro;
  const auto first = static_cast<std::uint64_t>(static_cast<Wide>(spec.from_micro) * 3600 / window);
  if (first >= data_.windows)
    OptionPlace{"gen:servegen", "from"}.fail(
        fmt::format("{}", spec.from_micro / 1'000'000),
        fmt::format("an hour of the file, below its {} s", data_.windows * static_cast<std::uint64_t>(data_.window_s)));
  const std::uint64_t windows =
      spec.hours_micro == 0
          ? data_.windows
          : static_cast<std::uint64_t>((static_cast<Wide>(spec.hours_micro) * 3600 + window - 1) / window);
  const std::uint64_t recorded = std::max<std::uint64_t>(data_.rate_nano(), 1);
  const Client::Scale scale =
      spec.rate_micro == 0 ? Client::Scale{1, 1} : Client::Scale{spec.rate_micro * 1000, recorded};
  clients_.reserve(data_.clients.size());
  for (const ServeGenClient& of : data_.clients) clients_.emplace_back(data_, of, seed, scale, first);
  rows_ = limit > 0 ? limit : rows_of_span(windows);
  for (std::uint32_t c = 0; c < clients_.size() && rows_ > 0; ++c) due_.push_back({clients_[c].advance().ns(), c});
  std::make_heap(due_.begin(), due_.end());
}

ServeGenerator::~ServeGenerator() = default;

std::uint64_t ServeGenerator::rows_of_span(std::uint64_t windows) const {
  std::uint64_t rows = 0;
  for (const Client& client : clients_) rows += client.count(windows);
  return rows;
}

std::optional<TraceRow> ServeGenerator::next() {
  if (made_ == rows_) return std::nullopt;
  std::pop_heap(due_.begin(), due_.end());
  Due& due = due_.back();
  if (made_++ == 0) first_ns_ = due.ns;
  if (due.ns - first_ns_ > kLastArrival.ns())
    throw InputError("", 0, "gen:servegen", fmt::format("row {} lies beyond 146 years", made_),
                     "accepted: a higher rate or fewer rows");
  TraceRow row{.arrival = Time(due.ns - first_ns_), .prompt = {}, .output = {}};
  clients_[due.client].lengths(row);
  due.ns = clients_[due.client].advance().ns();
  std::push_heap(due_.begin(), due_.end());
  return row;
}

}  // namespace yard
