// A plane through neighbours, weighed by distance: the value and the spread at one place.
//
// Doubles with + - * / and sqrt alone. Threads: one.
#pragma once
#include <array>
#include <cmath>
#include <cstddef>

#include "scheduler/cost/least_squares.h"

namespace yard {

// Weighted least squares of a constant and D slopes; `ridge` against the slopes, and no slope on an axis where all
// neighbours lie on one side and more than an octave off.
template <std::size_t D>
class LocalPlane {
 public:
  // `from`: the neighbour's place minus this one's, octaves.
  void add(const std::array<double, D>& from, double value, double weight) {
    std::array<double, D + 1> x;
    x[0] = 1.0;
    for (std::size_t i = 0; i < D; ++i) {
      x[i + 1] = from[i];
      if (n_ == 0 || from[i] < least_[i]) least_[i] = from[i];
      if (n_ == 0 || from[i] > most_[i]) most_[i] = from[i];
    }
    plane_.add(x, value, weight);
    weight_ += weight, sum_ += weight * value;
    squares_ += weight * value * value;
    ++n_;
  }

  std::size_t size() const { return n_; }
  double weight() const { return weight_; }
  double mean() const { return sum_ / weight_; }

  // Requires: size() > 0 and a positive weight.
  double value(double ridge) const {
    auto plane = plane_;
    for (std::size_t i = 0; i < D; ++i) {
      const bool beyond = least_[i] > 1.0 || most_[i] < -1.0;
      plane.draw(i + 1, 0.0, beyond ? 1e9 : ridge);
    }
    return plane.solve()[0];
  }

  // Of the neighbours around their own mean.
  double deviation() const {
    const double m = mean();
    const double variance = squares_ / weight_ - m * m;
    return variance > 0.0 ? std::sqrt(variance) : 0.0;
  }

 private:
  NormalEquations<D + 1> plane_;
  std::array<double, D> least_{}, most_{};
  double weight_ = 0.0, sum_ = 0.0, squares_ = 0.0;
  std::size_t n_ = 0;
};

}  // namespace yard
