#include "scheduler/cost/plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace yard {
namespace {

constexpr double kSide = 480, kLeft = 80, kTop = 48, kBottom = 56;
constexpr std::size_t kMostDots = 3000;

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else
      out += c;
  }
  return out;
}

// One logarithmic scale for both axes.
struct Scale {
  double low, high;  // decades
  double at(double value) const { return (std::log10(value) - low) / (high - low) * kSide; }
};

std::string line(double x1, double y1, double x2, double y2, std::string_view style) {
  return fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" {}/>\n", x1, y1, x2, y2, style);
}

std::string words(double x, double y, std::string_view anchor, std::string_view text, std::string_view more = "") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" {}>{}</text>\n", x, y, anchor, more,
                     escaped(text));
}

std::string decades(const Scale& scale) {
  std::string out;
  for (double decade = scale.low; decade <= scale.high; decade += 1.0) {
    const double at = (decade - scale.low) / (scale.high - scale.low) * kSide;
    constexpr std::string_view kGrid = "stroke=\"#ddd\"";
    out += line(kLeft + at, kTop, kLeft + at, kTop + kSide, kGrid);
    out += line(kLeft, kTop + kSide - at, kLeft + kSide, kTop + kSide - at, kGrid);
    const std::string label = fmt::format("{:g}", std::pow(10.0, decade));
    out += words(kLeft + at, kTop + kSide + 18, "middle", label);
    out += words(kLeft - 8, kTop + kSide - at + 4, "end", label);
  }
  return out;
}

}  // namespace

std::string plot_svg(std::string_view title, std::string_view unit,
                     const std::vector<std::pair<double, double>>& pairs) {
  double least = 1e300, most = 0;
  for (const auto& [predicted, measured] : pairs) {
    least = std::min({least, predicted, measured});
    most = std::max({most, predicted, measured});
  }
  if (pairs.empty()) least = 1, most = 10;
  const double low = std::floor(std::log10(least));
  const Scale scale{low, std::max(std::ceil(std::log10(most)), low + 1.0)};
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} {1:.0f}\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
      kLeft + kSide + 24, kTop + kSide + kBottom);
  out += words(kLeft, 24, "start", title, "font-size=\"15\"");
  out += words(kLeft + kSide, 40, "end", fmt::format("{} points; dashed: +- 20 %", pairs.size()), "fill=\"#666\"");
  out += decades(scale);
  out += fmt::format("<clipPath id=\"in\"><rect x=\"{0}\" y=\"{1}\" width=\"{2}\" height=\"{2}\"/></clipPath>\n", kLeft,
                     kTop, kSide);
  out += "<g clip-path=\"url(#in)\">\n";
  const std::size_t every = std::max<std::size_t>(1, (pairs.size() + kMostDots - 1) / kMostDots);
  for (std::size_t i = 0; i < pairs.size(); i += every)
    out += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"1.8\" fill=\"#1f6fb4\" fill-opacity=\"0.45\"/>\n",
                       kLeft + scale.at(pairs[i].second), kTop + kSide - scale.at(pairs[i].first));
  const double octave = std::log10(1.2) / (scale.high - scale.low) * kSide;
  for (const double by : {-octave, 0.0, octave})
    out += line(kLeft, kTop + kSide - by, kLeft + kSide, kTop - by,
                by == 0.0 ? "stroke=\"#c33\"" : "stroke=\"#c33\" stroke-dasharray=\"4 4\"");
  out += "</g>\n";
  out += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"none\" stroke=\"#444\"/>\n", kLeft,
                     kTop, kSide, kSide);
  out += words(kLeft + kSide / 2, kTop + kSide + 42, "middle", fmt::format("measured, {}", unit));
  out += words(20, kTop + kSide / 2, "middle", fmt::format("predicted, {}", unit),
               fmt::format("transform=\"rotate(-90 20 {:.0f})\"", kTop + kSide / 2));
  return out + "</svg>\n";
}

}  // namespace yard
