// A deployment that nobody measured speaks by its nearest relatives that were, and less surely.
//
// What is measured of a key is by how much it takes longer than its weighted terms (calibration.h): the median of the
// logarithm over its rows. Relatives share leading parts of the key (kKeyParts): the more, the nearer. The median over
// the keys at each depth is drawn towards that of the depth above, as one more key like that would draw a mean (nested
// shrinkage: Efron, Morris, Stein's Paradox in Statistics, Scientific American 236, 1977); rows of the key itself come
// last. How far off that is, is measured depth by depth: each row is predicted as if nothing nearer than that were
// known.
//
// Uses log and exp of the C library: offline only. Threads: immutable.
#pragma once
#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/cost/calibration.h"

namespace yard {

inline constexpr std::array<std::string_view, 5> kKeyParts = {"model", "engine", "accelerator", "parallelism",
                                                              "precision"};

struct RelativesAnswer {
  std::size_t shared = 0;  // leading parts that the nearest relatives share with it
  std::size_t known = 0;   // how many keys they are; where all parts are shared, rows
  double factor = 1.0;     // measured over weighted terms, as they let expect
  double deviation = 0.0;  // of its logarithm, of predictions from as far

  double low() const;  // of the interval of 90 %, in predictions
  double high() const;
  std::string text() const;  // a line
};

class Relatives {
 public:
  // Requires: at least one measurement.
  Relatives(std::span<const Measured>, const Calibration&);

  // `most`: as if nobody shared more parts with it than that.
  RelativesAnswer of(const Deployment&, std::size_t most = kKeyParts.size()) const;

  // In the order of kKeyParts.
  using Key = std::array<std::string, kKeyParts.size()>;
  static Key key_of(const Deployment&);

 private:
  struct Known {
    Key key;
    std::vector<double> residuals;
    double median = 0;
  };
  struct Guess {
    double value = 0;
    std::size_t shared = 0, known = 0;
  };
  Guess guess(const Key&, std::size_t most, std::vector<double> own) const;

  std::vector<Known> keys_;
  std::array<double, kKeyParts.size() + 1> deviation_{};  // by parts shared
};

}  // namespace yard
