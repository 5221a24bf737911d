#include "scheduler/cost/kernel_surface.h"

#include <algorithm>

#include "scheduler/base/check.h"
#include "scheduler/cost/local_plane.h"

namespace yard {
namespace {

constexpr Log2 kAny = -1;

double octaves(std::int64_t log) { return static_cast<double>(log) / kOctave; }
double square(double x) { return x * x; }

// e^-q, nearly: (1 - q / 16)^16.
double weight_of(double q) {
  if (q >= 16.0) return 0.0;
  double w = 1.0 - q / 16.0;
  for (int i = 0; i < 4; ++i) w *= w;
  return w;
}

double unlike(const KernelCategory& a, const KernelCategory& b) {
  double far = a.format != b.format ? 4.0 : 0.0;
  if (a.head_dim != b.head_dim) far += 0.25 + std::abs(a.head_dim - b.head_dim) / 256.0;
  return far + (a.window != b.window ? 0.5 : 0.0);
}

}  // namespace

// ---- one category ---------------------------------------------------------------------------------------------------

void KernelSamples::add(const Sample& s) {
  slices_[s.axes[0]].push_back(s);
  by_axes_.emplace(s.axes, s.value);
  layers_.insert(s.layer);
}

const double* KernelSamples::measured(const KernelAxes& axes) const {
  const auto at = by_axes_.find(axes);
  return at == by_axes_.end() ? nullptr : &at->second;
}

KernelSamples::Guess KernelSamples::guess(const Place& at, const KernelFit& fit, std::uint64_t without) const {
  double nearest_slice = 1e300;
  for (const auto& [axis, slice] : slices_) nearest_slice = std::min(nearest_slice, square(octaves(axis) - at[0]));
  const double furthest = std::max(nearest_slice, square(2.0 * fit.octaves[0])) + 1e-9;
  // Each that lies nearer than `limit` says.
  const auto each_neighbour = [&](const double& limit, const auto& do_it) {
    for (const auto& [axis, slice] : slices_) {
      if (square(octaves(axis) - at[0]) > furthest) continue;
      for (const Sample& s : slice) {
        if (s.layer == without) continue;
        double q = 0.0;
        for (std::size_t i = 0; i < 4 && q < limit; ++i) q += square((s.place[i] - at[i]) / fit.octaves[i]);
        if (q < limit) do_it(s, q);
      }
    }
  };
  double least = 1e300;
  each_neighbour(least, [&](const Sample&, double q) { least = q; });
  if (least == 1e300) return {0.0, 0.0, 1e6};
  LocalPlane<4> plane;
  const double reached = least + 16.0;
  each_neighbour(reached, [&](const Sample& s, double q) {
    const double w = weight_of(q - least);
    if (w < 1e-4) return;
    Place from;
    for (std::size_t i = 0; i < 4; ++i) from[i] = s.place[i] - at[i];
    plane.add(from, s.value, w);
  });
  return {plane.value(fit.ridge), plane.deviation(), least};
}

// ---- a family -------------------------------------------------------------------------------------------------------

KernelSurface::KernelSurface(std::span<const KernelRow> rows, const Accelerator& chip, const KernelFit& fit)
    : fit_(fit) {
  CHECK(!rows.empty());
  family_ = rows.front().shape.category.family;
  floor_ = std::ranges::min_element(rows, {}, &KernelRow::cost)->cost;
  for (const KernelRow& row : rows) {
    CHECK(row.shape.category.family == family_);
    const Picoseconds ideal = kernel_roofline(row.shape, chip, floor_);
    const KernelAxes axes = axes_of(row.shape);
    const Log2 log =
        log2_of(static_cast<std::uint64_t>(row.cost.count())) - log2_of(static_cast<std::uint64_t>(ideal.count()));
    categories_[row.shape.category].add({axes, place_of(axes), octaves(log), layer_of(row.shape)});
  }
  lean();
  if (fit_.echo > 0.0) listen();
}

KernelSamples::Place KernelSurface::place_of(const KernelAxes& a) const {
  std::int64_t second = a[1];
  if (family_ != KernelFamily::gemm) second += a[2];
  if (family_ == KernelFamily::prefill_attention) second += a[3];
  return {octaves(a[0]), octaves(second), octaves(a[2]), octaves(a[3])};
}

KernelSurface::Guess KernelSurface::at(const KernelCategory& category, const KernelAxes& axes) const {
  Guess guess = leaning(category, axes, 0);
  if (fit_.echo > 0.0) guess.value += fit_.echo * echo(category, axes);
  return guess;
}

std::pair<double, double> KernelSurface::parts(const KernelCategory& category, const KernelAxes& axes) const {
  return {leaning(category, axes, 0).value, echo(category, axes)};
}

std::optional<double> KernelSurface::measured(const KernelCategory& category, const KernelAxes& axes) const {
  const double* differs = categories_.at(category).measured(axes);
  if (!differs) return {};
  return *differs + prior(category, axes);
}

const KernelSamples* KernelSurface::relative(const KernelCategory& category) const {
  const auto at = relatives_.find(category);
  return at == relatives_.end() ? nullptr : &categories_.at(at->second);
}

// ---- thin categories ------------------------------------------------------------------------------------------------

void KernelSurface::lean() {
  std::vector<KernelCategory> fat;
  for (const auto& [category, samples] : categories_)
    if (samples.layers() >= fit_.thin) fat.push_back(category);
  if (fat.empty()) return;
  std::map<KernelCategory, KernelSamples> thin;
  for (const auto& [category, samples] : categories_) {
    if (samples.layers() >= fit_.thin) continue;
    const KernelCategory& self = category;
    relatives_[self] =
        *std::ranges::min_element(fat, {}, [&](const KernelCategory& other) { return unlike(self, other); });
    KernelSamples differs;
    for (const auto& [axis, slice] : samples.slices())
      for (KernelSamples::Sample s : slice) {
        s.value -= prior(category, s.axes);
        differs.add(s);
      }
    if (left_out_error(differs, wide()) < left_out_error(samples, fit_))
      thin.emplace(category, std::move(differs));
    else
      relatives_.erase(self);
  }
  for (auto& [category, differs] : thin) categories_.at(category) = std::move(differs);
}

// How far samples are off what the other layers say, summed; an only layer is held against none at all.
double KernelSurface::left_out_error(const KernelSamples& samples, const KernelFit& fit) const {
  double error = 0.0;
  for (const auto& [axis, slice] : samples.slices())
    for (const KernelSamples::Sample& s : slice) {
      const double off = s.value - samples.guess(s.place, fit, s.layer).value;
      error += off > 0.0 ? off : -off;
    }
  return error;
}

// A difference varies slowly.
KernelFit KernelSurface::wide() const {
  KernelFit wide = fit_;
  wide.octaves = {0.3, 1.0, 2.0, 2.0};
  return wide;
}

// What the relative says: of decodes at the tokens that a window lets them see.
double KernelSurface::prior(const KernelCategory& category, KernelAxes axes) const {
  const auto relative = relatives_.find(category);
  if (relative == relatives_.end()) return 0.0;
  if (family_ == KernelFamily::decode_attention && category.window > 0 && relative->second.window == 0)
    axes[0] = std::min(axes[0], log2_of(static_cast<std::uint64_t>(category.window)));
  return categories_.at(relative->second).guess(place_of(axes), fit_, 0).value;
}

KernelSurface::Guess KernelSurface::leaning(const KernelCategory& category, const KernelAxes& axes,
                                            std::uint64_t without) const {
  if (!relatives_.contains(category)) return categories_.at(category).guess(place_of(axes), fit_, without);
  Guess guess = categories_.at(category).guess(place_of(axes), wide(), without);
  guess.value += prior(category, axes);
  return guess;
}

// ---- the echo -------------------------------------------------------------------------------------------------------

std::vector<KernelSurface::Key> KernelSurface::keys(const KernelCategory& category, const KernelAxes& a) const {
  if (family_ == KernelFamily::gemm)
    return {{category, {kAny, a[1], a[2], 0}}, {category, {a[0], a[1], kAny, 0}}, {category, {a[0], kAny, a[2], 0}}};
  return {{category, {kAny, kAny, a[2], a[3]}}, {{family_, KernelFormat::bf16, 0, 0}, a}};
}

// How far each sample is off what its category's other layers say.
void KernelSurface::listen() {
  for (const auto& [category, samples] : categories_)
    for (const auto& [axis, slice] : samples.slices())
      for (const KernelSamples::Sample& s : slice) {
        const double whole = s.value + prior(category, s.axes);
        const Off off{category, s.axes, whole - leaning(category, s.axes, s.layer).value};
        for (const Key& key : keys(category, s.axes)) off_[key].push_back(off);
      }
}

// The nearer count more; of attention in another category, one of the same format twice.
double KernelSurface::worth(const Key& key, const KernelCategory& category, const KernelAxes& axes,
                            const Off& off) const {
  if (off.category == category && off.axes == axes) return 0.0;
  if (key.second == axes) {
    if (off.category.head_dim == category.head_dim && off.category.window == category.window) return 0.0;
    return off.category.format == category.format ? 2.0 : 1.0;
  }
  double q = 0.0;
  for (std::size_t i = 0; i < 4; ++i)
    if (key.second[i] == kAny) q += square(octaves(off.axes[i] - axes[i]));
  return weight_of(q);
}

double KernelSurface::echo(const KernelCategory& category, const KernelAxes& axes) const {
  double echo = 0.0;
  for (const Key& key : keys(category, axes)) {
    const auto heard = off_.find(key);
    if (heard == off_.end()) continue;
    double sum = 0.0, weight = 0.1;  // a far word alone is hardly believed
    for (const Off& off : heard->second) {
      const double w = worth(key, category, axes, off);
      sum += w * off.by, weight += w;
    }
    echo += sum / weight;
  }
  return echo;
}

}  // namespace yard
