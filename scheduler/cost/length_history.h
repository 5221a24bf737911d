// How long answers will be: a distribution, learnt by tenant and model from those that ended and from those that were
// cut short, which say only that they would have been longer.
//
// The life-table form of the product-limit estimator (Kaplan, Meier, JASA 53, 1958; Cutler, Ederer, Journal of Chronic
// Diseases 8, 1958): of those that reached a bin of lengths, the share that ended there, who was cut short within it
// counting half. A tenant's shares are drawn towards the model's as by eight answers, and these towards a geometric
// distribution of mean 256 tokens, as core/length_mean.h begins, as by two. Counts are halved at 4,096 answers: older
// ones fade. Integers throughout.
//
// Threads: one at a time. Owns: 2.4 KiB for each tenant and model. Allocates when made only.
#pragma once
#include <array>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "scheduler/base/id.h"
#include "scheduler/base/units.h"

namespace yard {

// Of a tenant's next answer: sixteen lengths, each as likely as another, ascending.
inline constexpr std::size_t kLikelyLengths = 16;
using LikelyLengths = std::array<std::int32_t, kLikelyLengths>;

class LengthHistory {
 public:
  LengthHistory(std::uint32_t tenants, std::uint32_t models);

  enum class End : std::uint8_t { of_itself, cut_short };  // cut_short: its limit, a cancel, a lost device
  // Requires: generated >= 0.
  void learn(TenantId, ModelId, Tokens generated, End);

  // Of an answer that has `generated` tokens and goes on: how long it will be in all. None is above `at_most`, where it
  // would be cut short. Cost: some 150 steps.
  LikelyLengths likely(TenantId, ModelId, Tokens generated, Tokens at_most) const;

  std::uint64_t answers(TenantId, ModelId) const;  // that count, older ones less

  // Bins: each length below 16, then eight to the octave, up to 2^20.
  static constexpr std::uint32_t kBins = 16 + 17 * 8;
  static constexpr std::uint32_t bin_of(std::int64_t length) {
    if (length < 16) return static_cast<std::uint32_t>(length);
    const auto l = static_cast<std::uint64_t>(length < (1 << 21) - 1 ? length : (1 << 21) - 1);
    const auto octave = static_cast<std::uint32_t>(std::bit_width(l)) - 1;
    return 16 + (octave - 4) * 8 + static_cast<std::uint32_t>(l >> (octave - 3) & 7);
  }
  static constexpr std::int64_t first_of(std::uint32_t bin) {
    if (bin < 16) return bin;
    const std::uint32_t octave = 4 + (bin - 16) / 8;
    return std::int64_t{8 + (bin - 16) % 8} << (octave - 3);
  }

 private:
  struct Table {
    std::array<std::uint32_t, kBins> ended{}, cut{};  // 1/256 answers
    std::uint64_t answers = 0;                        // likewise
  };
  // Shares in 1/2^30 of those that reach a bin and end in it.
  using Shares = std::array<std::int64_t, kBins>;
  static void learn(Table&, std::uint32_t bin, End);
  static void draw(Shares& towards, const Table&, std::int64_t weight);
  Shares shares(TenantId, ModelId) const;

  std::uint32_t models_;
  std::vector<Table> by_model_, by_tenant_;
  Shares at_first_{};
};

}  // namespace yard
