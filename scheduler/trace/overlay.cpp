#include "scheduler/trace/overlay.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "scheduler/base/hash.h"
#include "scheduler/base/input_error.h"
#include "scheduler/trace/options.h"

namespace yard {
namespace {

constexpr std::uint64_t kMicro = 1'000'000;
constexpr std::string_view kKeys[] = {"path", "copies", "rate", "seconds", "longest", "span"};

std::uint64_t whole(const OptionPlace& place, std::string_view text, std::uint64_t most) {
  const std::string accepted = fmt::format("a whole number from 1 to {}", most);
  const std::uint64_t micro = place.millionths(text, kMicro, most * kMicro, accepted);
  if (micro % kMicro != 0) place.fail(text, accepted);
  return micro / kMicro;
}

std::int64_t nanoseconds(const OptionPlace& place, std::string_view text) {
  return static_cast<std::int64_t>(place.millionths(text, 1000, 1'000'000'000 * kMicro, "0.001 to 1000000000")) * 1000;
}

}  // namespace

OverlaySpec parse_overlay(std::string_view name) {
  OverlaySpec spec;
  each_option(name, kKeys, [&](const OptionPlace& place, std::string_view value) {
    if (place.key == "path")
      spec.path = value;
    else if (place.key == "copies")
      spec.copies = static_cast<std::uint32_t>(whole(place, value, 64));
    else if (place.key == "rate")
      spec.rate_micro = place.millionths(value, 1000, 10'000'000 * kMicro, "requests a second, 0.001 to 10000000");
    else if (place.key == "longest")
      spec.kept.longest = Tokens(whole(place, value, 2 * static_cast<std::uint64_t>(kMostTokens.count())));
    else if (place.key == "span")
      spec.kept.span = Duration(nanoseconds(place, value));
    else
      spec.seconds_ns = nanoseconds(place, value);
  });
  if (spec.path.empty()) OptionPlace{"gen:overlay", "path"}.fail("", "a trace's file or folder");
  return spec;
}

Overlay::Overlay(std::shared_ptr<const TraceRows> rows, const OverlaySpec& spec, Seed seed, std::uint64_t limit)
    : rows_(std::move(rows)), seconds_ns_(spec.seconds_ns) {
  const std::uint64_t round = rows_->size() * spec.copies;
  limit_ = limit > 0 ? limit : seconds_ns_ > 0 ? std::numeric_limits<std::uint64_t>::max() : round;
  const auto ring = static_cast<std::uint64_t>(rows_->ring_ns());
  const Wide turn =
      spec.rate_micro == 0 ? Wide{ring} : static_cast<Wide>(round) * kMicro * 1'000'000'000 / spec.rate_micro;
  if (turn > static_cast<Wide>(kLastArrival.ns()))
    OptionPlace{"gen:overlay", "rate"}.fail(fmt::format("{}", static_cast<double>(spec.rate_micro) / 1e6),
                                            "a rate at which the trace takes less than 146 years");
  turn_ns_ = std::max<std::int64_t>(1, static_cast<std::int64_t>(turn));
  for (std::uint32_t c = 0; c < spec.copies; ++c) {
    // A stream of its own: a generator of the same seed must not move with it.
    const auto offset = static_cast<std::int64_t>(Rng::stream(seed ^ 0x6f7665726c6179ull, c).below(ring));
    Copy copy{.offset_ns = offset, .at = 0, .due_ns = 0};
    while (copy.at < rows_->size() && rows_->arrival_ns(copy.at) < offset) ++copy.at;
    if (copy.at == rows_->size()) copy.at = 0, copy.turns = 1;
    aim(copy);
    copies_.push_back(copy);
  }
}

void Overlay::aim(Copy& copy) const {
  const Wide turns = static_cast<Wide>(copy.turns) * static_cast<Wide>(rows_->ring_ns());
  copy.due_ns = turns > static_cast<Wide>(kLastArrival.ns())
                    ? Time::never().ns()
                    : rows_->arrival_ns(copy.at) - copy.offset_ns + static_cast<std::int64_t>(turns);
}

// Requires: due_ns >= 0. Whole turns first, so that nothing overflows.
std::int64_t Overlay::stretched(std::int64_t due_ns) const {
  const std::int64_t ring = rows_->ring_ns(), turns = due_ns / ring;
  const auto rest = static_cast<Wide>(due_ns % ring) * static_cast<Wide>(turn_ns_) / static_cast<Wide>(ring);
  return turns * turn_ns_ + static_cast<std::int64_t>(rest);
}

void Overlay::salt(TraceRow& row, std::uint64_t salt) {
  if (salt == 0) return;
  const std::uint64_t mixed = mix64(salt ^ 0x73616c74656421ull);
  names_.assign(row.prefix.begin(), row.prefix.end());
  for (std::uint64_t& name : names_) name = mix64(name ^ mixed);
  row.prefix = names_;
  if (row.session > 0) row.session = mix64(row.session ^ mixed) | 1;
}

std::optional<TraceRow> Overlay::next() {
  if (made_ == limit_) return std::nullopt;
  const auto earliest = std::min_element(copies_.begin(), copies_.end(),
                                         [](const Copy& a, const Copy& b) { return a.due_ns < b.due_ns; });
  const std::int64_t due = earliest->due_ns == Time::never().ns() ? Time::never().ns() : stretched(earliest->due_ns);
  if (made_ == 0) first_ns_ = due;
  const std::int64_t arrival = due - first_ns_;
  if (seconds_ns_ > 0 && arrival >= seconds_ns_) return std::nullopt;
  if (arrival > kLastArrival.ns())
    throw InputError("", 0, "gen:overlay", fmt::format("row {} lies beyond 146 years", made_ + 1),
                     "accepted: a higher rate or fewer rows");
  ++made_;
  TraceRow row = rows_->row(earliest->at);
  row.arrival = Time(arrival);
  salt(row, static_cast<std::uint64_t>(earliest - copies_.begin()) + copies_.size() * earliest->turns);
  if (++earliest->at == rows_->size()) earliest->at = 0, ++earliest->turns;
  aim(*earliest);
  return row;
}

}  // namespace yard
