// Weighted least squares by normal equations: for a handful of unknowns. Threads: one.
#pragma once
#include <array>
#include <cstddef>

namespace yard {

template <std::size_t N>
class NormalEquations {
 public:
  using Row = std::array<double, N>;

  void add(const Row& x, double value, double weight) {
    for (std::size_t i = 0; i < N; ++i) {
      const double wx = weight * x[i];
      for (std::size_t j = 0; j <= i; ++j) a_[i][j] += wx * x[j];
      b_[i] += wx * value;
    }
  }
  // One unknown towards a value.
  void draw(std::size_t i, double value, double weight) { a_[i][i] += weight, b_[i] += weight * value; }

  // LDL^T. An unknown that nothing speaks of is 0.
  Row solve() const {
    auto a = a_;
    Row y = b_;
    for (std::size_t i = 0; i < N; ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        double l = a[i][j];
        for (std::size_t k = 0; k < j; ++k) l -= a[i][k] * a[j][k] * a[k][k];
        a[i][j] = a[j][j] > 0.0 ? l / a[j][j] : 0.0;
      }
      for (std::size_t j = 0; j < i; ++j) {
        a[i][i] -= a[i][j] * a[i][j] * a[j][j];
        y[i] -= a[i][j] * y[j];
      }
      if (a[i][i] <= a_[i][i] * 1e-12) a[i][i] = 0.0;
    }
    for (std::size_t i = 0; i < N; ++i) y[i] = a[i][i] > 0.0 ? y[i] / a[i][i] : 0.0;
    for (std::size_t i = N; i-- > 0;)
      for (std::size_t k = i + 1; k < N; ++k) y[i] -= a[k][i] * y[k];
    return y;
  }

 private:
  std::array<std::array<double, N>, N> a_{};  // lower half
  Row b_{};
};

}  // namespace yard
