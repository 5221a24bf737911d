// What one step costs by measured kernels: a table per operator, put together as a model's layers are.
//
// As LLMServingSim profiles them (casys-kaist/LLMServingSim, profiler/): dense operators by the tokens of the step, LM
// head and sampler by its sequences, attention by four figures at once: tokens read and those in KV behind which they
// are read, sequences that decode and the tokens that each holds. That table is joint, since a kernel that does both
// takes neither the sum nor the longer of the two. Between points all axes are linear (leave one out, its authors: 2 to
// 4 % off, in logarithms 12 to 14 %); beyond the last point the last two go on.
//
// Decodes of unlike length cost more than as many of their mean. Where a profile was taken of that, it states one
// figure, `skew`: of the way from all at the mean to all at the longest, so much is paid.
//
// Floating point ends in the reader: points are picoseconds of the whole model, and a step is integers.
//
// Threads: immutable.
// O1  points of a curve ascend; every curve and every axis has at least one.
// O2  a step costs at least 1 ps and at most kMostStep, so that a run of 256 stays below 2^63.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/base/units.h"
#include "scheduler/cost/step_cost.h"

namespace yard {

// One step's batch, as its kernels see it.
struct StepShape {
  std::int64_t slots = 0;           // sequences that take part
  std::int64_t read = 0;            // prompt tokens read
  std::int64_t read_behind = 0;     // tokens in KV behind which they are read, over all slots that read
  std::int64_t decoding = 0;        // slots that decode, a token each
  std::int64_t decode_context = 0;  // tokens that these hold before this step, together
  std::int64_t longest = 0;         // and the one that holds most
};

// Measured points joined by straight lines.
class Curve {
 public:
  struct Point {
    std::int64_t at;
    Picoseconds cost;
  };
  // Requires: at least one point, `at` ascending, every cost below 2^50 and every `at` below 2^24.
  explicit Curve(std::vector<Point> points);

  // At a lone point, and before the first, the cost is constant; beyond the last the last two go on. Requires: |at| <
  // 2^31. Cost: O(log points).
  Picoseconds at(std::int64_t) const;
  const std::vector<Point>& points() const { return points_; }

 private:
  std::vector<Point> points_;
};

// Attention of all layers, by tokens read, KV behind them, sequences that decode and KV of each.
class AttentionTable {
 public:
  struct Row {
    std::int64_t read, read_behind, decoding, context;
    Picoseconds cost;
  };
  // Rows in any order; a pair (read, decoding) that was not measured counts as the nearest that was.
  // Requires: at least one row, no two of one place.
  explicit AttentionTable(std::vector<Row> rows);

  Picoseconds at(std::int64_t read, std::int64_t read_behind, std::int64_t decoding, std::int64_t context) const;

 private:
  struct Slice {  // of one (read, decoding)
    std::vector<std::int64_t> behind;
    std::vector<Curve> by_context;  // by read_behind
  };
  const Slice& slice(std::size_t read, std::size_t decoding) const {
    return slices_[of_pair_[read * decoding_.size() + decoding]];
  }

  std::vector<std::int64_t> read_, decoding_;
  std::vector<std::uint32_t> of_pair_;  // of slices_, by read and decoding
  std::vector<Slice> slices_;
};

class OperatorProfile {
 public:
  static constexpr std::int64_t kMostStep = 1'000'000'000'000'000;  // ps

  // `skew_millionths`: of the way from the mean to the longest; 0: none was measured.
  OperatorProfile(Curve by_tokens, Curve by_sequences, AttentionTable attention, std::int64_t skew_millionths)
      : by_tokens_(std::move(by_tokens)),
        by_sequences_(std::move(by_sequences)),
        attention_(std::move(attention)),
        skew_millionths_(skew_millionths) {}

  // What may be left out, to see what it is worth.
  struct Parts {
    bool joint = true;  // attention of what is read and what decodes together; otherwise the sum of each alone
    bool skew = true;
  };
  OperatorProfile only(Parts) const;

  // Requires: slots >= 1, and read + decoding >= 1.
  Picoseconds step(const StepShape&) const;

  std::int64_t skew_millionths() const { return skew_millionths_; }

  // What those who do not simulate may believe: this profile as a StepCost. c0 by pure decodes without context, c1 by
  // what a full chunk adds to the dense operators, c2 and c4 by the slopes of attention.
  StepCost believed(std::uint32_t max_sequences, std::uint32_t error_permille) const;

 private:
  Picoseconds attention(const StepShape&) const;
  Picoseconds attention(const StepShape&, std::int64_t context) const;

  Curve by_tokens_, by_sequences_;
  AttentionTable attention_;
  std::int64_t skew_millionths_;
  bool joint_ = true;
};

// Reads the folder of a profile as it is published: meta.yaml, tp<N>/{dense,attention,per_sequence}.csv, times in
// microseconds of one layer's operators. `layers`: of the model. Each operator of a decoder layer counts `layers`
// times, its norm twice as often, embedding, last norm, LM head and sampler once.
// Errors: InputError, one line: what is missing, which line is wrong, which operator nobody knows.
OperatorProfile read_operator_profile(const std::string& folder, std::int64_t layers, std::uint32_t tp);

// Returns: the model that the profile in this folder is of, as its meta.yaml says. Errors: InputError.
std::string model_of_profile(const std::string& folder);

}  // namespace yard
