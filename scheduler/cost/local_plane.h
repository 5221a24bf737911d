// A plane through neighbours, weighed by distance: the value and the spread at one place.
//
// Doubles with + - * / and sqrt alone. Threads: one.
#pragma once
#include <array>
#include <cmath>
#include <cstddef>

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
    for (std::size_t i = 0; i <= D; ++i) {
      const double wx = weight * x[i];
      for (std::size_t j = 0; j <= i; ++j) a_[i][j] += wx * x[j];
      b_[i] += wx * value;
    }
    squares_ += weight * value * value;
    ++n_;
  }

  std::size_t size() const { return n_; }
  double weight() const { return a_[0][0]; }
  double mean() const { return b_[0] / a_[0][0]; }

  // Requires: size() > 0 and a positive weight.
  double value(double ridge) const {
    auto a = a_;
    auto b = b_;
    for (std::size_t i = 0; i < D; ++i) {
      const bool beyond = least_[i] > 1.0 || most_[i] < -1.0;
      a[i + 1][i + 1] += beyond ? 1e9 : ridge;
    }
    // LDL^T, then forward and back.
    std::array<double, D + 1> y;
    for (std::size_t i = 0; i <= D; ++i) {
      y[i] = b[i];
      for (std::size_t j = 0; j < i; ++j) {
        double l = a[i][j];
        for (std::size_t k = 0; k < j; ++k) l -= a[i][k] * a[j][k] * a[k][k];
        a[i][j] = l / a[j][j];
      }
      for (std::size_t j = 0; j < i; ++j) {
        a[i][i] -= a[i][j] * a[i][j] * a[j][j];
        y[i] -= a[i][j] * y[j];
      }
    }
    for (std::size_t i = 0; i <= D; ++i) y[i] /= a[i][i];
    for (std::size_t i = D + 1; i-- > 0;)
      for (std::size_t k = i + 1; k <= D; ++k) y[i] -= a[k][i] * y[k];
    return y[0];
  }

  // Of the neighbours around their own mean.
  double deviation() const {
    const double m = mean();
    const double variance = squares_ / a_[0][0] - m * m;
    return variance > 0.0 ? std::sqrt(variance) : 0.0;
  }

 private:
  std::array<std::array<double, D + 1>, D + 1> a_{};  // lower half
  std::array<double, D + 1> b_{};
  std::array<double, D> least_{}, most_{};
  double squares_ = 0.0;
  std::size_t n_ = 0;
};

}  // namespace yard
